"""Which tolerance should I ask for? What simple models reach of a negative log-likelihood."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.checks import one_of, positive_integer
from tf_geco.constraints.likelihoods import LIKELIHOODS, distribution_of, supported
from tf_geco.evaluation.sampled import filled, sampled

CLUSTERS = (1, 2, 4, 8, 16)
LOG_NUMBERS = np.linspace(-4.0, 8.0, 13)  # log r of a negative binomial; at 8 it is nearly Poisson
TINY = 1e-6


@dataclass(frozen=True, eq=False)
class NLLGuide:
    """What simple models reach of an NLL, in nats per example; `print` shows it as a table.

    Args:
        clusters: Numbers of clusters, `[K]`; the first is 1, one distribution for all examples.
        nll: NLL by so many clusters, `[K]`.
        kl: What it costs to say which cluster an example is in, `[K]`: the entropy of their sizes.
        least: The NLL that no decoder is below, each value described by itself alone; `None` for
            densities, which have no least.
        spread: Standard deviation of the NLL over examples, with one cluster.
        count: Number of examples.
    """

    clusters: tuple[int, ...]
    nll: tuple[float, ...]
    kl: tuple[float, ...]
    least: float | None
    spread: float
    count: int

    def rows(self) -> list[tuple[float, str]]:
        """Returns pairs of an NLL and what it means."""
        alike = f"the same for all, for a KL of 0; examples vary by {self.spread:.4g}"
        rows = [(self.nll[0], alike)]
        for number, nll, kl in zip(self.clusters[1:], self.nll[1:], self.kl[1:], strict=True):
            rows.append((nll, f"{number} clusters, for a KL of {kl:.1f} nats"))
        if self.least is not None:
            rows.append((self.least, "each value by itself: none is below"))
        return rows

    def __str__(self) -> str:
        """Returns the table."""
        head = f"      NLL  meaning, in nats per example, on {self.count} examples"
        return "\n".join([head, *(f"{nll:9.4g}  {meaning}" for nll, meaning in self.rows())])


def nll_guide(data: Any, likelihood: str, *, max_examples: int = 5000, seed: int = 0) -> NLLGuide:
    """Returns what simple models reach of a negative log-likelihood on a data set.

    The examples are put into K clusters (k-means; of the logarithm of 1 + x for counts), and each
    value of each cluster gets the distribution that suits it best:

        NLL(K) = -(1/N) sum_n log p(x_n; parameters of its cluster),    KL(K) = entropy of clusters

    NLL(1) needs no latents: ask for less. NLL(K) is what a code reaches that only names clusters; a
    VAE may do better for that KL. It is measured on the examples that it was fitted to, which
    flatters many clusters: each has twenty examples at least on average. Densities of values that
    hardly ever vary, such as the border of images, have an NLL that says nothing.

    Args:
        data: Arrays `[N, ...]`, `(x, y)`, or a `tf.data.Dataset` of batches, as for `fit`; y may
            have a mask of what is observed. Weights are not used.
        likelihood: A name, as of `NegativeLogLikelihood`.
        max_examples: Of more examples than that, a uniform sample is used.
        seed: Seed of sample and clusters.

    Returns:
        An `NLLGuide`: `print` it, and draw it by `tf_geco.plotting.nll_guide`.

    Raises:
        ValueError: If there are fewer than two examples, they are not finite, or there is no
            likelihood of this name.

    Example:
    ```python
    print(tf_geco.evaluation.nll_guide(np.round(images), "bernoulli"))
    ```

    Reference:
        Lloyd, "Least squares quantization in PCM", 1982, for k-means.
    """
    one_of(tuple(LIKELIHOODS), likelihood, "likelihood")
    x = sampled(data, positive_integer(max_examples, "max_examples"), seed, integers=True)
    x = x.reshape(len(x), -1).astype(np.float64)
    x = x[~np.isnan(x).all(axis=1)]
    places, _ = filled(x)
    if not np.isfinite(supported(likelihood, tf.constant(places)).numpy()).all():
        raise ValueError(
            f"`data` must be such as {likelihood!r} gives a probability. Received: values from "
            f"{places.min():g} to {places.max():g}."
        )
    places = np.log1p(places) if likelihood in ("poisson", "negative_binomial") else places
    numbers = [number for number in CLUSTERS if number == 1 or 20 * number <= len(x)]
    random = np.random.default_rng(seed)
    divided = [k_means(places, number, random) for number in numbers]
    found = [_fitted(x, labels, likelihood) for labels in divided]
    return NLLGuide(
        clusters=tuple(numbers),
        nll=tuple(float(nll.mean()) for nll in found),
        kl=tuple(map(_entropy, divided)),
        least=_least(x, likelihood),
        spread=float(found[0].std()),
        count=len(x),
    )


def k_means(x: np.ndarray, number: int, random: np.random.Generator) -> np.ndarray:
    """Returns the cluster of each row, `[N]`, by k-means, from centres far from each other."""
    centres = x[random.integers(len(x), size=1)]
    while len(centres) < number:
        distance = _squares(x, centres).min(axis=1)
        share = distance / distance.sum() if distance.any() else None
        centres = np.vstack([centres, x[random.choice(len(x), p=share)]])
    for _ in range(20):
        labels = _squares(x, centres).argmin(axis=1)
        for k in np.unique(labels):
            centres[k] = x[labels == k].mean(axis=0)
    return labels


def _squares(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Returns squared distances of rows from centres, `[N, K]`."""
    squares = (x**2).sum(axis=1)[:, np.newaxis] - 2 * x @ centres.T + (centres**2).sum(axis=1)
    return np.maximum(squares, 0.0)


def _entropy(labels: np.ndarray) -> float:
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum() + 0.0)


def _fitted(x: np.ndarray, labels: np.ndarray, likelihood: str) -> np.ndarray:
    """Returns the NLL of each example by the distributions that suit its cluster best, `[N]`."""
    nll = np.empty(len(x))
    for label in np.unique(labels):
        rows = x[labels == label]
        nll[labels == label] = -_log_prob(rows, FITS[likelihood](rows), likelihood).sum(axis=1)
    return nll


def _log_prob(x: np.ndarray, parameters: np.ndarray, likelihood: str) -> np.ndarray:
    """Returns log-probabilities of values observed, and zero for the others, `[n, D]`."""
    seen = ~np.isnan(x)
    distribution = distribution_of(likelihood, tf.cast(parameters, tf.float32))
    values = distribution.log_prob(tf.cast(np.where(seen, x, 0.0), tf.float32))
    return np.where(seen, values, 0.0).astype(np.float64)


def _mean(x: np.ndarray) -> np.ndarray:
    """Returns the mean of what is observed in each column, 0 where nothing is."""
    seen = ~np.isnan(x)
    return np.sum(x, axis=0, where=seen) / np.maximum(seen.sum(axis=0), 1)


def _log_mean(x: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(_mean(x), TINY))


def _normal(x: np.ndarray) -> np.ndarray:
    deviation = np.sqrt(_mean((x - _mean(x)) ** 2))
    return np.concatenate([_mean(x), np.maximum(deviation, TINY)])


def _negative_binomial(x: np.ndarray) -> np.ndarray:
    """Returns log mean and log r, the most likely one of a grid that is refined once, `[2 D]`."""
    log_mean, log_number = _log_mean(x), np.zeros(x.shape[1])
    for grid in (LOG_NUMBERS, np.linspace(-0.5, 0.5, 5)):
        trials = [np.concatenate([log_mean, log_number + step]) for step in grid]
        likely = [_log_prob(x, trial, "negative_binomial").sum(axis=0) for trial in trials]
        log_number = log_number + grid[np.argmax(likely, axis=0)]
    return np.concatenate([log_mean, log_number])


FITS: dict[str, Callable] = {
    "bernoulli": _mean,
    "negative_binomial": _negative_binomial,
    "normal": _normal,
    "poisson": _log_mean,
}


def _least(x: np.ndarray, likelihood: str) -> float | None:
    """Returns the NLL of each value by itself alone: that of a Poisson law for all counts."""
    if likelihood == "normal":
        return None
    own = x if likelihood == "bernoulli" else np.log(np.maximum(x, TINY))
    each = "bernoulli" if likelihood == "bernoulli" else "poisson"
    return float(-_log_prob(x, np.where(np.isnan(x), 0.0, own), each).sum(axis=1).mean())
