"""How sure a mean is: standard errors and intervals of weighted means, in float64."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from tensorflow_probability import distributions as tfd


@dataclass(frozen=True)
class WeightedMean:
    """A weighted mean of independent examples, and how sure it is.

        mean = sum_i c_i v_i / sum_i c_i,    count = (sum_i c_i)^2 / sum_i c_i^2

    The standard error is that of a ratio, by the delta method, because how much an example counts
    is as random as what is measured of it:

        sqrt(n / (n - 1) sum_i c_i^2 (v_i - mean)^2) / sum_i c_i

    Args:
        mean: NaN where nothing counts.
        standard_error: NaN for fewer than two examples.
        count: The effective number of examples; n where all count alike.
        pair: The two values that there are, (0, 1) if all are 0 or 1; `None` if there are more.
    """

    mean: float
    standard_error: float
    count: float
    pair: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: np.ndarray, counts: np.ndarray) -> "WeightedMean":
        """Returns the mean of values `[n]` that count so much each, `[n]`, above zero."""
        n, total = len(values), counts.sum()
        if n == 0:
            return cls(math.nan, math.nan, 0.0)
        mean = (counts * values).sum() / total
        spread = math.sqrt((counts**2 * (values - mean) ** 2).sum()) / total
        error = spread * math.sqrt(n / (n - 1)) if n > 1 else math.nan
        return cls(float(mean), error, float(total**2 / (counts**2).sum()), _pair(values))

    def interval(
        self, level: float, bounds: tuple[float, float] | None = None
    ) -> tuple[float, float]:
        """Returns limits that hold the true mean with a probability of `level`.

        Where there are two values they are those of Clopper and Pearson: 64 hits of 64 have a
        standard error of zero, and yet the rate may be 0.95. Of other values they are the mean +- t
        standard errors, which needs a mean that is about normal: many examples, none of which
        outweighs the rest.

        What n examples did not show may still happen as often as 1 - ((1 - level) / 2)^(1 / n):
        where values have `bounds`, that share may lie at either of them.

        Args:
            level: Such as 0.95.
            bounds: The least and the greatest value there can be, if they are known.
        """
        if self.pair is not None:
            low, high = self.pair
            hits = (self.mean - low) / (high - low) * self.count
            least, most = clopper_pearson(hits, self.count, level)
            return low + (high - low) * least, low + (high - low) * most
        half = math.inf
        if self.count > 1.0:
            freedom = max(1.0, math.floor(self.count - 1.0))
            student = _quantile(tfd.StudentT, (1 + level) / 2, freedom, 0.0, 1.0)
            half = student * self.standard_error
        low, high = self.mean - half, self.mean + half
        if bounds is None or self.count == 0:
            return low, high
        unseen = 1 - ((1 - level) / 2) ** (1 / self.count)
        reach = [self.mean + unseen * (bound - self.mean) for bound in bounds]
        return max(bounds[0], min(low, reach[0])), min(bounds[1], max(high, reach[1]))


def _pair(values: np.ndarray) -> tuple[float, float] | None:
    """Returns the two values that there are, `None` if there are more or too few to tell."""
    if np.isin(values, (0.0, 1.0)).all():
        return 0.0, 1.0
    found = np.unique(values)
    return (float(found[0]), float(found[1])) if len(found) == 2 < len(values) else None


def clopper_pearson(hits: float, count: float, level: float) -> tuple[float, float]:
    """Returns the exact limits of a rate; of weighted examples, `count` is an effective number.

    Example:
        >>> low, high = clopper_pearson(64, 64, 0.95)
        >>> round(low, 3), high
        (0.944, 1.0)

    Reference:
        Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of
        the binomial", 1934.
    """
    tail, misses = (1 - level) / 2, count - hits
    tiny = 1e-9 * count
    low = 0.0 if hits <= tiny else _quantile(tfd.Beta, tail, hits, misses + 1)
    high = 1.0 if misses <= tiny else _quantile(tfd.Beta, 1 - tail, hits + 1, misses)
    return low, high


@functools.lru_cache(maxsize=4096)
def _quantile(family: type, probability: float, *parameters: float) -> float:
    """Returns a quantile of a distribution, in float64."""
    return float(family(*map(np.float64, parameters)).quantile(np.float64(probability)))
