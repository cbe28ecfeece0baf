"""Posteriors that tile the latent space (Propositions 2 and 3, Figure 1)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tf_geco.checks import positive_integer, positive_number
from tf_geco.theory.checks import Array, check_data, check_prior_mass


@dataclass(frozen=True)
class TiledELBO:
    """The terms of the ELBO of a tiled posterior and its optimal decoder.

    Args:
        elbo: `-(squared_error / (2 temperature) + kl)` in nats, without the constant of a normal.
        squared_error: `E|x - g(z)|^2`, summed over the values of a data point.
        kl: Mean KL, `-1/n sum_i ln pi_i` with `pi_i` the prior mass of a support, in nats.
        log_points: Ln n, the smallest KL of supports that do not overlap.
    """

    elbo: float
    squared_error: float
    kl: float
    log_points: float


def equiprobable_supports(num_points: int, num_tiles: int) -> npt.NDArray[np.bool_]:
    """Returns equally probable supports, one a data point: the best partition of Proposition 2.

    Args:
        num_points: n.
        num_tiles: B, a multiple of n, each with prior mass 1/B.

    Returns:
        `[n, B]`, True where tile b belongs to `Omega_i`; each tile belongs to exactly one.

    Raises:
        ValueError: If B is not a positive multiple of n.

    Example:
        >>> from tf_geco.theory import equiprobable_supports
        >>> equiprobable_supports(2, 4).astype(int).tolist()
        [[1, 1, 0, 0], [0, 0, 1, 1]]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Proposition 2.
    """
    share, rest = divmod(
        positive_integer(num_tiles, "num_tiles"), positive_integer(num_points, "num_points")
    )
    if rest:
        raise ValueError(
            "`num_tiles` must be a positive multiple of `num_points`: shares must be equal. "
            f"Received: num_points={num_points}, num_tiles={num_tiles}."
        )
    return np.eye(int(num_points), dtype=bool).repeat(share, axis=1)


def tiled_posterior(supports: npt.ArrayLike, prior_mass: npt.ArrayLike) -> Array:
    """Returns posteriors that are the prior, restricted to a support for each data point.

        q(z|x_i) = pi(z) [z in Omega_i] / pi_i,   hence   m_ib = [b in Omega_i] / pi_i

    Args:
        supports: `[n, B]` booleans, the tiles of `Omega_i`; they may overlap and leave holes.
        prior_mass: `[B]`, the prior probability of each tile.

    Returns:
        `[n, B]`, `m_ib = q(z|x_i) / pi(z)`, with `sum_b m_ib prior_mass_b = 1`.

    Raises:
        ValueError: If a support is empty, or shapes or masses are not valid.

    Example:
        >>> from tf_geco.theory import tiled_posterior
        >>> tiled_posterior([[True, False], [True, True]], [0.5, 0.5]).tolist()
        [[2.0, 0.0], [1.0, 1.0]]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Proposition 2.
    """
    omega = np.asarray(supports, dtype=bool)
    if omega.ndim != 2 or not omega.any(1).all():
        raise ValueError(
            "`supports` must be a matrix [points, tiles] with a tile for every point. "
            f"Received: supports of shape {omega.shape}, sizes {omega.sum(-1).tolist()}."
        )
    mass = check_prior_mass(prior_mass, omega.shape[1])
    return omega / (omega @ mass)[:, None]


def blurred_decoder(
    data: npt.ArrayLike, supports: npt.ArrayLike, prior_mass: npt.ArrayLike
) -> Array:
    """Returns the optimal decoder of a tiled posterior: averages, blurred where supports overlap.

        g(z) = sum over {i: z in Omega_i} of x_i (1 / pi_i) / sum over {j: z in Omega_j} of 1 / pi_j

    Args:
        data: `[n, D]`.
        supports: `[n, B]` booleans.
        prior_mass: `[B]`.

    Returns:
        `[B, D]`, NaN on tiles of no support: the ELBO does not constrain the decoder in a hole.

    Raises:
        ValueError: If data, supports or masses are not valid or do not fit together.

    Example:
        >>> from tf_geco.theory import blurred_decoder
        >>> supports = [[1, 1, 0], [0, 1, 1]]
        >>> blurred_decoder([[0.0], [4.0]], supports, [0.2, 0.4, 0.4]).round(3).tolist()
        [[0.0], [1.714], [4.0]]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Proposition 3, Eq. 17.
    """
    m, points = tiled_posterior(supports, prior_mass), check_data(data)
    if len(m) != len(points):
        raise ValueError(
            "`supports` must have one row for each data point. "
            f"Received: {len(points)} points and {len(m)} supports."
        )
    total = m.sum(0)[:, None]
    return np.divide(m.T @ points, total, where=total > 0, out=np.full_like(m.T @ points, np.nan))


def tiled_elbo(
    data: npt.ArrayLike,
    supports: npt.ArrayLike,
    prior_mass: npt.ArrayLike,
    temperature: float = 1.0,
) -> TiledELBO:
    """Returns the ELBO of a tiled posterior with its optimal decoder.

    Supports that do not overlap reconstruct perfectly. Their KL is at least ln n, and equal to it
    only if they are equiprobable (Proposition 2). Overlapping ones save KL and pay with blur.

    Args:
        data: `[n, D]`.
        supports: `[n, B]` booleans.
        prior_mass: `[B]`.
        temperature: Variance of the decoder, in squared data units.

    Returns:
        A `TiledELBO`.

    Raises:
        ValueError: If an argument of `blurred_decoder` is not valid, or `temperature` not positive.

    Example:
        >>> from tf_geco.theory import equiprobable_supports, tiled_elbo
        >>> round(tiled_elbo([[0.0], [4.0]], equiprobable_supports(2, 2), [0.5, 0.5]).elbo, 6)
        -0.693147

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Appendices C.2 and C.3.
    """
    temperature = positive_number(temperature, "temperature")
    points, psi = check_data(data), np.nan_to_num(blurred_decoder(data, supports, prior_mass))
    posterior = tiled_posterior(supports, prior_mass) * np.asarray(prior_mass)  # [n, B]
    squares = ((points[:, None] - psi[None]) ** 2).sum(-1)
    error = float((posterior * squares).sum(1).mean())
    kl = float(-np.log(np.asarray(supports, dtype=bool) @ np.asarray(prior_mass)).mean())
    return TiledELBO(-(error / (2 * temperature) + kl), error, kl, float(np.log(len(points))))
