"""Log densities of many latents under many posteriors, `[S, n]`."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.posteriors.flow import Flow

# Pairs of a latent and a posterior that are computed at once: what fits in a processor's cache.
_PAIRS_OF_NORMALS = 2**20
_PAIRS_OF_FLOWS = 2**13
_TOLERANCE = 8e-4  # nats


def log_sum_densities(posterior: tfd.Distribution, z: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns the log of the summed densities of each latent under a batch of posteriors.

        log sum_n q(z_s | x_n) e^{mask_n}

    Args:
        posterior: q(z | x), batch shape `[n]`, event shape `[d]`.
        z: Latents, `[S, d]`.
        mask: 0 for a posterior that counts, -inf for one that does not, `[n]`.

    Returns:
        `[S]`, in nats.
    """
    normal = _normal_parameters(posterior)
    if normal is not None:
        return _by_products(*normal, z, mask)
    compiled = isinstance(posterior, Flow)

    @tf.function(jit_compile=compiled)
    def block(z: tf.Tensor) -> tf.Tensor:
        return tf.reduce_logsumexp(posterior.log_prob(z[:, tf.newaxis]) + mask, axis=1)

    return _in_blocks(block, z, mask.shape[0], _PAIRS_OF_FLOWS)


def _by_products(mean: tf.Tensor, scale: tf.Tensor, z: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Normal posteriors: the quadratic form of each pair is one matrix product.

    sum_d (z - m)^2 / s^2 = [z^2, z] . [1 / s^2, -2 m / s^2] + sum_d m^2 / s^2
    """
    # The three terms cancel. Their size times the unit roundoff is about the largest error that
    # float32 makes; where that is too much, use float64.
    size = (tf.reduce_max(tf.square(z), axis=0) + tf.square(mean)) / tf.square(scale)
    error = 2.0**-24 * tf.reduce_max(tf.reduce_sum(size, axis=-1))
    return tf.cond(
        error < _TOLERANCE,
        lambda: _by_products_in(tf.float32, mean, scale, z, mask),
        lambda: _by_products_in(tf.float64, mean, scale, z, mask),
    )


def _by_products_in(dtype: Any, *arguments: tf.Tensor) -> tf.Tensor:
    mean, scale, z, mask = (tf.cast(argument, dtype) for argument in arguments)
    precision = 1 / tf.square(scale)
    right = tf.concat([-precision / 2, mean * precision], axis=-1)
    constant = mask - tf.reduce_sum(
        tf.square(mean) * precision / 2 + tf.math.log(scale) + math.log(2 * math.pi) / 2, axis=-1
    )

    def block(z: tf.Tensor) -> tf.Tensor:
        left = tf.concat([tf.square(z), z], axis=-1)
        return tf.reduce_logsumexp(tf.matmul(left, right, transpose_b=True) + constant, axis=1)

    sums = _in_blocks(block, z, mask.shape[0], _PAIRS_OF_NORMALS)
    return tf.cast(sums, arguments[2].dtype)


def _in_blocks(block: Callable, z: tf.Tensor, n: int, pairs: int) -> tf.Tensor:
    """Returns block(z), computed for a few latents at a time, so that memory stays bounded."""
    count = z.shape[0]
    blocks = math.ceil(count * n / pairs)
    if blocks == 1:
        return block(z)
    size = math.ceil(count / blocks)
    rows = tf.minimum(tf.range(blocks * size), count - 1)
    parts = tf.reshape(tf.gather(z, rows), [blocks, size, z.shape[-1]])
    sums = tf.map_fn(block, parts, parallel_iterations=1, fn_output_signature=z.dtype)
    return tf.reshape(sums, [-1])[:count]


def _normal_parameters(posterior: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor] | None:
    """Returns means and scales, `[n, d]`, if the posterior is a diagonal normal."""
    inner = posterior.distribution if isinstance(posterior, tfd.Independent) else None
    if isinstance(inner, tfd.Normal) and len(inner.batch_shape) == 2:
        return tf.broadcast_to(inner.loc, inner.batch_shape), inner.scale + tf.zeros_like(inner.loc)
    if isinstance(posterior, tfd.MultivariateNormalDiag):
        return posterior.mean(), posterior.stddev()
    return None
