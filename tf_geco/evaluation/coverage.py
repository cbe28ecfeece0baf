"""The marginal KL: whether the posteriors together cover the prior, or leave holes."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.compiled import compiled
from tf_geco.evaluation.batches import Batches, tensors
from tf_geco.evaluation.estimate import Estimate
from tf_geco.evaluation.log_densities import log_sum_densities
from tf_geco.strategies import on_replicas
from tf_geco.training.bar import late_bar
from tf_geco.training.batch import size_of


@dataclass(frozen=True)
class MarginalKL:
    """The marginal KL and how sure it is.

    Args:
        value: In nats.
        standard_error: Of `value`, from the spread over samples.
        num_samples: Number of samples of the marginal.
        num_components: Number of posteriors that make up the marginal: all, unless interrupted.
    """

    value: float
    standard_error: float
    num_samples: int
    num_components: int


class Draws(NamedTuple):
    """Samples of the marginal q(z), and what is known of them when they are drawn.

    Args:
        z: Latents, `[S, d]`.
        own: log q(z_s | x_{i_s}), the density under the posterior that drew it, `[S]`.
        prior: log pi(z_s), `[S]`.
        position: i_s, the position of the example in the data, `[S]`.
        total: N, the number of examples.
    """

    z: np.ndarray
    own: np.ndarray
    prior: np.ndarray
    position: np.ndarray
    total: int


def marginal_kl(
    model: Any,
    data: Any,
    num_samples: int = 1024,
    *,
    seed: int = 0,
    batch_size: int = 512,
    verbose: bool = False,
) -> MarginalKL:
    """Returns the KL of the marginal posterior from the prior.

        KL(q(z) || pi(z)),    q(z) = (1/N) sum_n q(z | x_n)

    estimated at samples z_s ~ q(z | x_{i_s}), i_s uniform over the data:

        mean_s [ log sum_n q(z_s | x_n) - log N - log pi(z_s) ],    n over all N examples

    It is at most the average KL, and at least the average KL less log N: there, no two posteriors
    overlap. The data are read twice, in batches, and memory does not grow with N. Interrupted
    (Ctrl-C), it returns the estimate from the M posteriors seen so far, each sample's own among
    them: too large, by at most log(N / M).

    Args:
        model: A model with `posterior(x)` and `prior()`.
        data: Arrays or a data set, the same each time it is read. The posterior of an example with
            missing values, `(x, {"mask": mask})`, is that of zeros in their place, as in training.
            Weights are not used.
        num_samples: S. The standard error falls with its square root.
        seed: Seed of the samples.
        batch_size: Number of posteriors at once.
        verbose: Whether to show progress.

    Returns:
        A `MarginalKL`, in nats.

    Raises:
        ValueError: If the data are empty, the model has no posterior, the posterior no `log_prob`,
            the sizes of the latents differ, or something is not finite.

    Example:
    ```python
    spent = tf_geco.evaluation.average_kl(model, images).value
    holes = tf_geco.evaluation.marginal_kl(model, images, verbose=True)
    print(f"{spent:.1f} nats per example; {holes.value:.1f} +- {holes.standard_error:.1f} in holes")
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Section 4.1.1 and Table 2.
    """
    _check_arguments(model, num_samples)
    batches = Batches(data, batch_size, model)
    with full_precision():
        draws = draw(model, batches, int(num_samples), seed)
        sums, components = _sum_over_components(model, batches, draws, verbose)
    terms = _log_marginal(sums, components, draws) - draws.prior
    estimate = Estimate.of(terms)
    return MarginalKL(estimate.value, estimate.standard_error, terms.size, components)


def draw(model: Any, batches: Batches, num_samples: int, seed: int) -> Draws:
    """Draws samples of the marginal: of posteriors that are drawn uniformly from the data."""
    examples, position, total = draw_examples(batches, num_samples, seed)
    run, parts = compiled(model, _sample), []
    try:
        for number, (x, _, count) in enumerate(Batches(examples, batches.batch_size)):
            drawn = run(tensors(x), tf.constant([seed, number]))
            parts.append([part[:count] for part in drawn])
    except NotImplementedError as error:
        raise ValueError(
            "The marginal KL needs posteriors and a prior with `sample` and `log_prob`. "
            f"Received: {error}"
        ) from error
    z, own, prior = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not all(np.all(np.isfinite(part)) for part in (z, own, prior)):
        bad = position[~np.isfinite(z).all(-1) | ~np.isfinite(own) | ~np.isfinite(prior)]
        raise ValueError(
            "The posterior gives latents or log densities that are not finite, first for example "
            f"{bad[0]} of the data (counted from 0)."
        )
    return Draws(z, own.astype(np.float64), prior.astype(np.float64), position, total)


def draw_examples(batches: Batches, num_samples: int, seed: int) -> tuple[Any, np.ndarray, int]:
    """Draws examples uniformly, with replacement, in one pass over data of unknown length.

    Each of the samples is replaced by an example of the batch with the probability that keeps it
    uniform over all examples seen so far.

    Returns:
        The examples, `[S, ...]`, their positions in the data, `[S]`, and the length of the data.
    """
    random = np.random.default_rng(seed)
    index, total, examples = np.zeros(num_samples, np.int64), 0, None
    for x, _, count in batches:
        if examples is None:
            examples = tf.nest.map_structure(lambda part: part[np.zeros_like(index)], x)
        rows = random.integers(count, size=num_samples)
        new = random.random(num_samples) < count / (total + count)
        _replace(examples, x, new, rows[new])
        index[new] = total + rows[new]
        total += count
    return examples, index, total


def _sum_over_components(
    model: Any, batches: Batches, draws: Draws, verbose: bool
) -> tuple[np.ndarray, int]:
    """Returns log sum_n q(z_s | x_n), `[S]`, and the number of posteriors in the sum."""
    run = on_replicas(model, _log_sums)
    sums, seen = np.full(len(draws.z), -math.inf), 0
    z = tf.constant(draws.z)
    with late_bar(None, bool(verbose)) as advance:
        try:
            for index, (x, _, count) in enumerate(batches):
                parts = np.asarray(run(x, tf.constant(count), z), np.float64)
                if np.any(np.isnan(parts)) or np.any(np.isposinf(parts)):
                    raise ValueError(
                        f"The posteriors of batch {index} (counted from 0, of {count} examples) "
                        "give log densities that are not finite."
                    )
                sums, seen = np.logaddexp.reduce([sums, *parts]), seen + count
                advance(count)
        except KeyboardInterrupt:
            if not seen:
                raise
    return sums, seen


def _log_marginal(sums: np.ndarray, components: int, draws: Draws) -> np.ndarray:
    """Returns log q(z_s), `[S]`.

    If not all posteriors were seen, a sample whose own was not among them is missing the largest
    term of all, which it brings along.
    """
    missing = draws.position >= components
    sums = np.where(missing, np.logaddexp(sums, draws.own), sums)
    return sums - np.log(components + missing)


def _replace(examples: Any, x: Any, where: np.ndarray, rows: np.ndarray) -> None:
    for kept, part in zip(tf.nest.flatten(examples), tf.nest.flatten(x), strict=True):
        kept[where] = part[rows]


def _sample(model: Any, x: Any, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns a latent of each posterior, its log density there, and that of the prior."""
    posterior, prior = model.posterior(x), model.prior()
    _check_sizes(posterior.event_shape, prior.event_shape)
    z, own = posterior.experimental_sample_and_log_prob(seed=seed)
    return z, own, prior.log_prob(z)


def _log_sums(model: Any, x: Any, count: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
    """Returns log sum_n q(z_s | x_n), `[S]`, over a replica's share of `count` true examples."""
    number = tf.distribute.get_replica_context().replica_id_in_sync_group
    size = size_of(x)
    counts = tf.range(size) + number * size < count
    mask = tf.where(counts, tf.zeros([], z.dtype), tf.constant(-math.inf, z.dtype))
    return log_sum_densities(model.posterior(x), z, mask)


@contextmanager
def full_precision() -> Iterator[None]:
    """Turns off TensorFloat-32, whose eleven bits would cost whole nats, within a block."""
    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def _check_arguments(model: Any, num_samples: int) -> None:
    positive_integer(num_samples, "num_samples")
    missing = [name for name in ("posterior", "prior") if not hasattr(model, name)]
    if missing:
        raise ValueError(
            f"The marginal KL needs a model with `posterior(x)` and `prior()`. Received: "
            f"{type(model).__name__}, which has no {' and no '.join(missing)}."
        )


def _check_sizes(posterior: tf.TensorShape, prior: tf.TensorShape) -> None:
    if posterior != prior:
        raise ValueError(
            "The posterior and the prior must have the same latents. Received: a posterior over "
            f"{posterior.as_list()}, a prior over {prior.as_list()}."
        )
