"""Models whose posteriors are the rows of a table."""

import math

import keras
import numpy as np
import tensorflow as tf
from scipy import stats
from scipy.special import logsumexp
from tensorflow_probability import distributions as tfd

from tf_geco.posteriors import RealNVP

RNG = np.random.default_rng(0)


class Table:
    """A model whose posterior of x = n is the n-th of a table of normals."""

    def __init__(self, mean, scale, dtype="float32"):
        self.mean, self.scale = np.asarray(mean, dtype), np.asarray(scale, dtype)

    def posterior(self, n):
        mean, scale = tf.gather(self.mean, n), tf.gather(self.scale, n)
        return tfd.Independent(tfd.Normal(mean, scale), 1)

    def prior(self):
        d = self.mean.shape[1]
        return tfd.MultivariateNormalDiag(tf.zeros(d, self.mean.dtype))

    @property
    def indices(self):
        return np.arange(len(self.mean))

    def average_kl(self):
        m, s = self.mean.astype(float), self.scale.astype(float)
        return (0.5 * (m**2 + s**2 - 1) - np.log(s)).sum(-1).mean()


class OddTable(Table):
    """The same, by a distribution that nobody knows a shortcut for."""

    def posterior(self, n):
        q = super().posterior(n).distribution
        return tfd.Independent(tfd.StudentT(1e6, q.loc, q.scale), 1)


class FlowTable(Table):
    """Flows, whose contexts are the rows of the means."""

    def __init__(self, mean, spread=0.3):
        super().__init__(mean, np.ones_like(mean))
        d = self.mean.shape[1]
        self.layer = RealNVP(d, 3, 8)
        self.layer.build((None, d))
        for index, weight in enumerate(self.layer.weights):
            weight.assign(keras.random.normal(weight.shape, stddev=spread, seed=index))

    def posterior(self, n):
        return self.layer(tf.gather(self.mean, n))


def table(n=40, d=3, scale=0.5):
    return Table(RNG.normal(size=(n, d)), scale * np.exp(0.3 * RNG.normal(size=(n, d))))


def numerical_marginal_kl(model, limit=8.0, points=401):
    """Integral of q log(q / pi) over a grid, float64."""
    d = model.mean.shape[1]
    axis = np.linspace(-limit, limit, points)
    z = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), -1).reshape(-1, d)
    parts = [
        stats.norm(m.astype(float), s.astype(float)).logpdf(z).sum(-1)
        for m, s in zip(model.mean, model.scale, strict=True)
    ]
    q = logsumexp(parts, axis=0) - math.log(len(parts))
    return (np.exp(q) * (q - stats.norm.logpdf(z).sum(-1))).sum() * (axis[1] - axis[0]) ** d
