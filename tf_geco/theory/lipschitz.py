"""Lipschitz constraints on a high-capacity decoder (Appendix B, Proposition 6, Figure 7)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tf_geco.checks import positive_number
from tf_geco.theory.checks import Array, check_prior_mass
from tf_geco.theory.tiles import tile_centers, tile_distances


def lipschitz_multipliers(
    grid: Sequence[int], *, radius: float = np.inf, strength: float = 1.0
) -> Array:
    """Returns one Lagrange multiplier for all pairs of tiles whose centres lie within a radius.

    Args:
        grid: Number of tiles along each latent dimension of the box `[-1/2, 1/2]^d`.
        radius: r; `np.inf` constrains every pair (global), a small one only neighbours (local). The
            paper's figure has 0.2 and 1.0.
        strength: The multiplier, in nats times data points.

    Returns:
        Omega of Eq. 8, `[B, B]`: `strength` within the radius, 0 elsewhere.

    Raises:
        ValueError: If `radius` is not positive, or `strength` is negative or not finite.

    Example:
        >>> from tf_geco.theory import lipschitz_multipliers
        >>> lipschitz_multipliers((3,), radius=0.4, strength=2.0).tolist()
        [[2.0, 2.0, 0.0], [2.0, 2.0, 2.0], [0.0, 2.0, 2.0]]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Appendix B.
    """
    if not radius > 0:
        raise ValueError(f"`radius` must be positive. Received: radius={radius}.")
    if not 0 <= strength < np.inf:
        raise ValueError(
            f"`strength` must be finite and not negative. Received: strength={strength}."
        )
    centers = tile_centers(grid)
    gaps = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    return np.where(gaps <= radius * (1 + 1e-9), float(strength), 0.0)


def lipschitz_weights(
    grid: Sequence[int], multipliers: npt.ArrayLike, *, slope: float = 1.0
) -> Array:
    """Returns the matrix `W = Omega * C` of Eq. 23, for the uniform prior on a grid of tiles.

        C_ab = pi_a pi_b / (L^2 K_ab)

    so that `C_ab |psi_a - psi_b|^2 <= 1` bounds the slope of the decoder by L, in the mean square
    over pairs of points in tiles a and b.

    Args:
        grid: Number of tiles along each latent dimension.
        multipliers: `[B, B]`, Omega: symmetric, finite, not negative.
        slope: L, the largest slope allowed, in data units per side of the latent box.

    Returns:
        `[B, B]`, symmetric.

    Raises:
        ValueError: If the multipliers have another shape, are asymmetric, negative or not finite,
            or `slope` is not positive.

    Example:
        >>> from tf_geco.theory import lipschitz_weights
        >>> lipschitz_weights((2,), [[0.0, 1.0], [1.0, 0.0]]).round(3).tolist()
        [[0.0, 3.429], [3.429, 0.0]]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Eqs. 7-8.
    """
    slope = positive_number(slope, "slope")
    distances = tile_distances(grid)
    omega = _checked_symmetric(multipliers, "multipliers", len(distances))
    return omega / (len(distances) ** 2 * slope**2 * distances)


def lipschitz_lagrangian(
    psi: tf.Tensor,
    data: tf.Tensor,
    responsibilities: tf.Tensor,
    prior_mass: tf.Tensor,
    *,
    weights: tf.Tensor,
    temperature: float | tf.Tensor,
) -> tf.Tensor:
    """Returns the part of the augmented Lagrangian that depends on psi, Eq. 23; differentiable.

        1/n sum_ia m_ia pi_a |x_i - psi_a|^2 / (2 t) + 1/(2n) sum_ab W_ab |psi_a - psi_b|^2

    Args:
        psi: `[B, D]`.
        data: `[n, D]`.
        responsibilities: `[n, B]`, m.
        prior_mass: `[B]`, pi.
        weights: `[B, B]`, W of `lipschitz_weights`.
        temperature: t, the variance of the decoder.

    Returns:
        A scalar, in nats.

    Example:
        >>> import tensorflow as tf
        >>> from tf_geco.theory import lipschitz_lagrangian
        >>> lipschitz_lagrangian(tf.zeros([1, 1]), tf.ones([2, 1]), tf.ones([2, 1]), tf.ones([1]),
        ...                      weights=tf.zeros([1, 1]), temperature=1.0).numpy().item()
        0.5

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Eq. 23.
    """
    errors = tf.reduce_sum((data[:, None] - psi[None]) ** 2, -1)  # [n, B]
    gaps = tf.reduce_sum((psi[:, None] - psi[None]) ** 2, -1)  # [B, B]
    fit = tf.reduce_sum(responsibilities * prior_mass * errors) / (2 * temperature)
    return (fit + tf.reduce_sum(weights * gaps) / 2) / tf.cast(tf.shape(data)[0], psi.dtype)


def lipschitz_projection(
    responsibilities: npt.ArrayLike,
    prior_mass: npt.ArrayLike,
    weights: npt.ArrayLike,
    temperature: float,
) -> Array:
    """Returns the projection P of Proposition 6, corrected: `psi = P x_bar`.

        P = (I + 2 diag(t / (pi * M)) (diag(W 1) - W))^-1,     M_a = sum_i m_ia, t the temperature

    `x_bar_a = sum_i m_ia x_i / M_a` is the unconstrained optimum, and `P x_bar` the minimum of
    `lipschitz_lagrangian`. P smooths over the graph of W: its rows sum to 1 and it keeps constants.

    The paper's Eqs. 24-25 have slips. The coupling term of Eq. 24 has the wrong sign and lacks a
    factor 2, since `psi_a` occurs in row a and in column a of W. Eq. 25 prints a product with the
    inverse of `diag(W 1) - W`, which is singular; P is the inverse of a sum, without n.

    Args:
        responsibilities: `[n, B]`, m, not negative.
        prior_mass: `[B]`, pi.
        weights: `[B, B]`, W of `lipschitz_weights`.
        temperature: t, the variance of the decoder.

    Returns:
        `[B, B]` float64.

    Raises:
        ValueError: If the weights are asymmetric, negative or not finite, the responsibilities
            negative or not finite, or the projection is singular: a tile has no posterior mass and
            no weight connects it to a tile that has some.

    Example:
        >>> import numpy as np
        >>> from tf_geco.theory import lipschitz_projection
        >>> P = lipschitz_projection(np.ones((3, 2)), [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], 1.0)
        >>> P.sum(1).round(9).tolist()
        [1.0, 1.0]

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Proposition 6 and Appendix C.5.
    """
    temperature = positive_number(temperature, "temperature")
    m = np.asarray(responsibilities, dtype=np.float64)
    if m.ndim != 2 or not np.isfinite(m).all() or (m < 0).any():
        raise ValueError(
            "`responsibilities` must be a finite matrix [points, tiles], not negative. "
            f"Received: responsibilities of shape {m.shape}."
        )
    pi = check_prior_mass(prior_mass, m.shape[1])
    W = _checked_symmetric(weights, "weights", m.shape[1])
    strength = pi * m.sum(0) / (2 * temperature)
    system = np.diag(strength + W.sum(1)) - W
    # The symmetric system scales to a unit diagonal, so its condition says whether it is singular.
    scale = np.sqrt(np.diag(system))
    if (scale == 0).any() or np.linalg.cond(system / np.outer(scale, scale)) > 1e14:
        empty = np.flatnonzero(strength <= 1e-14 * strength.max()).tolist()
        raise ValueError(
            "The projection is singular: some tiles hold no posterior mass and no multiplier "
            "connects them to one that does. Enlarge the radius or the strength. "
            f"Received: empty tiles {empty[:8]}."
        )
    return np.linalg.solve(system, np.diag(strength))


def _checked_symmetric(matrix: npt.ArrayLike, name: str, size: int) -> Array:
    W = np.asarray(matrix, dtype=np.float64)
    if W.shape != (size, size) or not np.isfinite(W).all() or (W < 0).any():
        raise ValueError(
            f"`{name}` must be finite, not negative, one row and one column for each of the {size} "
            f"tiles. Received: {name} of shape {W.shape}."
        )
    asymmetry = float(np.abs(W - W.T).max())
    if asymmetry > 1e-9 * W.max():
        raise ValueError(
            f"`{name}` must be symmetric: a pair of tiles has one constraint. "
            f"Received: largest difference between {name} and its transpose {asymmetry}."
        )
    return W
