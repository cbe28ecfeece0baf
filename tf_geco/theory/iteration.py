"""The iteration of Eqs. 19-20, for a block of problems at once, compiled by XLA.

A problem is one temperature and one start. In this file reconstruction vectors are stored as
`[P, D, B]` (problems, values, tiles): every long reduction then runs along contiguous memory.
"""

from typing import NamedTuple

import tensorflow as tf

_DIRECT = 8  # up to this many values a point, differences are cheaper than a matrix product
_SOUND = 1e-14  # sums of exponentials above this lost nothing to underflow, even in float32


class State(NamedTuple):
    """Where a block of P problems stands.

    Args:
        psi: `[P, D, B]`, reconstruction vectors.
        log_mass: `[P, B]`, log prior probability of the tiles.
        steps: `[P]` int32, steps taken.
        change: `[P]`, Euclidean length of the last step.
    """

    psi: tf.Tensor
    log_mass: tf.Tensor
    steps: tf.Tensor
    change: tf.Tensor


class Limits(NamedTuple):
    """How far to iterate; tensors, because plain numbers would be compiled in.

    Args:
        num_steps: int32 scalar, the most steps to take now.
        smoothing: The weight of the old psi, in [0, 1).
        tolerance: A problem whose last step was shorter is left alone.
    """

    num_steps: tf.Tensor
    smoothing: tf.Tensor
    tolerance: tf.Tensor


def squared_distances(data: tf.Tensor, psi: tf.Tensor) -> tf.Tensor:
    """Returns `|x_i - psi_b|^2`.

    Args:
        data: `[n, D]`, less their mean: far from the origin the matrix product would cancel.
        psi: `[P, D, B]`.

    Returns:
        `[P, n, B]`, never negative.

    Example:
        >>> squared_distances(tf.zeros([3, 2]), tf.ones([1, 2, 4])).shape
        TensorShape([1, 3, 4])
    """
    num_values = data.shape[1]
    if num_values <= _DIRECT:
        columns = (data[:, d, None] - psi[:, None, d, :] for d in range(num_values))
        return tf.add_n([column * column for column in columns])
    cross = tf.einsum("nd,pdb->pnb", data, psi)
    squares = tf.reduce_sum(data**2, 1)[:, None] + tf.reduce_sum(psi**2, 1)[:, None, :]
    return tf.nn.relu(squares - 2 * cross)


def optimal_decoder(
    data: tf.Tensor, temperature: tf.Tensor, psi: tf.Tensor, log_mass: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the decoder of Eq. 20 for the posterior of Eq. 19: one plain step.

        m_ib = exp(-|x_i - psi_b|^2 / (2 t)) / c_i,      M_b = sum_i m_ib,
        psi_b <- sum_i m_ib x_i / M_b

    Each pair (i, b) takes one exponential. Where a sum of them nearly underflows, all are taken
    again, shifted by the maxima of rows and columns: then none underflows, however small t is.

    Args:
        data: `[n, D]`.
        temperature: t, `[P]`.
        psi: `[P, D, B]`.
        log_mass: `[P, B]`.

    Returns:
        The new psi `[P, D, B]` and `log M` `[P, B]`.

    Example:
        >>> x = tf.constant([[-1.0], [1.0]])
        >>> psi, _ = optimal_decoder(x, [1.0], tf.zeros([1, 1, 1]), tf.zeros([1, 1]))
        >>> abs(psi.numpy().item()) < 1e-6  # the mean
        True
    """
    factor = -0.5 / tf.convert_to_tensor(temperature)
    energy = squared_distances(data, psi) * factor[:, None, None]
    log_mass = log_mass[:, None, :]
    sums, normalizer = _sums(data, energy, log_mass)

    def plain() -> tuple[tf.Tensor, tf.Tensor]:
        return sums, tf.zeros_like(log_mass)

    def shifted() -> tuple[tf.Tensor, tf.Tensor]:
        rows = energy - tf.reduce_max(energy + log_mass, 2, keepdims=True)
        column = tf.reduce_max(rows, 1, keepdims=True)  # [P, 1, B]
        return _sums(data, rows - column, log_mass + column)[0], column

    least = tf.minimum(tf.reduce_min(normalizer), tf.reduce_min(sums[:, -1]))
    sums, shift = tf.cond(least > _SOUND, plain, shifted)
    return sums[:, :-1] / sums[:, -1:], shift[:, 0] + tf.math.log(sums[:, -1])


def _sums(data: tf.Tensor, exponent: tf.Tensor, log_mass: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns `sum_i m_ib (x_i, 1)`, `[P, D + 1, B]`, and the normalizer of m, `[P, n, 1]`."""
    weights = tf.exp(exponent)
    normalizer = tf.matmul(weights, tf.exp(log_mass), transpose_b=True)
    scaled = tf.concat([data[None] / normalizer, 1 / normalizer], 2)  # [P, n, D + 1]
    return tf.matmul(scaled, weights, transpose_a=True), normalizer


def project(
    mean: tf.Tensor,
    log_count: tf.Tensor,
    log_mass: tf.Tensor,
    temperature: tf.Tensor,
    laplacian: tf.Tensor,
) -> tf.Tensor:
    """Returns the Lipschitz projection of a decoder, by its symmetric form.

        (diag(h) + laplacian) psi = h * mean,    h_a = pi_a M_a / (2 t)

    This form does not divide by `M_a`, so that a tile without posterior mass interpolates its
    neighbours.

    Args:
        mean: `[P, D, B]`, the unconstrained optimum of Eq. 20.
        log_count: `[P, B]`, log M.
        log_mass: `[P, B]`.
        temperature: t, `[P]`.
        laplacian: `[B, B]`, `diag(W 1) - W`.

    Returns:
        The constrained psi, `[P, D, B]`.

    Example:
        >>> flat = tf.zeros([1, 2])
        >>> project(tf.ones([1, 1, 2]), flat, flat, tf.ones([1]), tf.zeros([2, 2])).shape
        TensorShape([1, 1, 2])
    """
    strength = tf.exp(log_count + log_mass) / (2 * temperature[:, None])  # [P, B]
    # A tile cut off from all others, with no mass, would make a zero row.
    strength = tf.maximum(strength, 1e-12 * tf.reduce_max(strength, 1, keepdims=True))
    factor = tf.linalg.cholesky(tf.linalg.diag(strength) + laplacian)
    solution = tf.linalg.cholesky_solve(factor, tf.transpose(strength[:, None] * mean, [0, 2, 1]))
    return tf.transpose(solution, [0, 2, 1])


def _advance(
    data: tf.Tensor,
    temperature: tf.Tensor,
    state: State,
    limits: Limits,
    *,
    laplacian: tf.Tensor | None = None,
    learn_mass: bool = False,
) -> State:
    """Returns the state after some more steps.

    Args:
        data: `[n, D]`.
        temperature: `[P]`.
        state: The state before.
        limits: When to stop.
        laplacian: `[B, B]`, by which each step is projected.
        learn_mass: Whether the masses of tiles move too, by Proposition 5.
    """
    log_points = tf.math.log(tf.cast(tf.shape(data)[0], data.dtype))

    def unfinished(step: tf.Tensor, state: State) -> tf.Tensor:
        return (step < limits.num_steps) & tf.reduce_any(state.change >= limits.tolerance)

    def one_step(step: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        active = state.change >= limits.tolerance
        target, log_count = optimal_decoder(data, temperature, state.psi, state.log_mass)
        if laplacian is not None:
            target = project(target, log_count, state.log_mass, temperature, laplacian)
        moved = (1 - limits.smoothing) * (target - state.psi)
        change = tf.reduce_sum(moved**2, [1, 2])
        log_mass = state.log_mass
        if learn_mass:
            log_mass += log_count - log_points
            change += tf.reduce_sum((tf.exp(log_mass) - tf.exp(state.log_mass)) ** 2, 1)
        return step + 1, State(
            tf.where(active[:, None, None], state.psi + moved, state.psi),
            tf.where(active[:, None], log_mass, state.log_mass),
            state.steps + tf.cast(active, tf.int32),
            tf.where(active, tf.sqrt(change), state.change),
        )

    return tf.while_loop(unfinished, one_step, (tf.constant(0), state))[1]


# On a CPU, XLA's Cholesky factorisation measured 3 to 80 times slower than TensorFlow's own.
advance_projected = tf.function(_advance)
advance = tf.function(_advance, jit_compile=True)


@tf.function(jit_compile=True)
def measure(
    data: tf.Tensor, temperature: tf.Tensor, psi: tf.Tensor, log_mass: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the posterior of Eq. 19 for the decoder `psi`, its squared error and its KL.

    Args:
        data: `[n, D]`.
        temperature: `[P]`.
        psi: `[P, D, B]`.
        log_mass: `[P, B]`.

    Returns:
        `log m`, `[P, n, B]`; `u = E|x - g(z)|^2`, `[P]`; and the mean KL in nats, `[P]`.

    Example:
        >>> x = tf.constant([[-1.0], [1.0]])
        >>> measure(x, tf.ones([1]), tf.zeros([1, 1, 1]), tf.zeros([1, 1]))[1].numpy().item()
        1.0
    """
    squares = squared_distances(data, psi)
    energy = squares / (-2 * temperature[:, None, None])
    log_m = energy - tf.reduce_logsumexp(energy + log_mass[:, None, :], 2, keepdims=True)
    posterior = tf.exp(log_m + log_mass[:, None, :])
    u = tf.reduce_mean(tf.reduce_sum(posterior * squares, 2), 1)
    kl = tf.reduce_mean(tf.reduce_sum(tf.math.multiply_no_nan(log_m, posterior), 2), 1)
    # Rounding can take the KL of a collapsed encoder below zero.
    return log_m, u, tf.nn.relu(kl)
