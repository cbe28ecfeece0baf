"""How long the marginal KL takes, against the matrix products it must do and the plain way.

    python benchmarks/marginal_kl.py [--rounds 7]

Everything of one comparison runs in turn, round after round, so that a busy machine slows all of it
alike; the figures are medians and ratios of medians. Writes benchmarks/results/marginal_kl.json.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import records
import tensorflow as tf
from scipy.special import logsumexp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tf_geco
from tf_geco import evaluation
from tf_geco.compiled import Compiled
from tf_geco.evaluation.batches import Batches
from tf_geco.evaluation.coverage import draw
from tf_geco.evaluation.log_densities import log_sum_densities

RESULTS = Path(__file__).parent / "results" / "marginal_kl.json"


class Gaussians:
    """A model whose posteriors are a table of normals: nothing but the marginal KL takes time."""

    def __init__(self, n, d):
        rng = np.random.default_rng(0)
        self.mean = tf.constant(rng.normal(size=(n, d)), tf.float32)
        self.scale = tf.constant(np.exp(0.3 * rng.normal(size=(n, d)) - 0.7), tf.float32)
        self.compiled_functions = Compiled()

    def posterior(self, n):
        return tfd.Independent(tfd.Normal(tf.gather(self.mean, n), tf.gather(self.scale, n)), 1)

    def prior(self):
        return tfd.MultivariateNormalDiag(tf.zeros(self.mean.shape[1]))


class Flows(Gaussians):
    """The same with RealNVP posteriors, whose contexts are a table."""

    def __init__(self, n, d, context=256):
        self.context = tf.random.stateless_normal([n, context], [1, 2])
        self.mean = tf.zeros([1, d])
        self.compiled_functions = Compiled()
        self.layer = tf_geco.posteriors.RealNVP(d, couplings=4, hidden=128)
        self.layer.build((None, context))
        for index, weight in enumerate(self.layer.weights):
            weight.assign(keras.random.normal(weight.shape, stddev=0.05, seed=index))

    def posterior(self, n):
        return self.layer(tf.gather(self.context, n))


def interleaved(functions, rounds, clock=time.perf_counter):
    """Returns the median seconds of each function, which take turns.

    `time.process_time` counts the seconds of both cores that the process itself had, which a busy
    machine does not stretch.
    """
    seconds = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            start = clock()
            function()
            seconds[name].append(clock() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def gaussian(rounds, n=50_000, s=1024, d=64, block=1024):
    model, indices = Gaussians(n, d), np.arange(n)
    draws = draw(model, Batches(indices, block), s, 0)
    z, mask = tf.constant(draws.z), tf.zeros([block])
    left = tf.concat([z**2, z], axis=1)
    right = tf.concat([model.mean, model.scale], axis=1)
    blocks = [tf.constant(indices[i : i + block]) for i in range(0, n - block + 1, block)]
    kernel = tf.function(lambda i: log_sum_densities(model.posterior(i), z, mask))
    product = tf.function(lambda: tf.matmul(left, right, transpose_b=True))
    one = tf.function(
        lambda z: tf.reduce_logsumexp(
            tfd.Independent(tfd.Normal(model.mean, model.scale), 1).log_prob(z)
        )
    )
    some = 16
    seconds = interleaved(
        {
            "matrix_product": product,
            "blocks": lambda: [kernel(i) for i in blocks],
            "marginal_kl_whole_call": lambda: evaluation.marginal_kl(
                model, indices, s, batch_size=block
            ),
            "log_prob_calls": lambda: [one(z[i]) for i in range(some)],
        },
        rounds,
    )
    seconds["log_prob_calls"] *= s / some
    mean, scale = (np.asarray(v, np.float64)[:2048] for v in (model.mean, model.scale))
    rows = draws.z[:128].astype(np.float64)
    squares = (((rows[:, None] - mean) / scale) ** 2).sum(-1)
    constant = np.log(scale).sum(-1) + d / 2 * np.log(2 * np.pi)
    expected = logsumexp(-squares / 2 - constant, axis=1)
    parts = [log_sum_densities(model.posterior(i), z[:128], mask) for i in blocks[:2]]
    error = float(np.abs(np.logaddexp(*np.asarray(parts, np.float64)) - expected).max())
    return {
        "seconds": seconds,
        "blocks / matrix_product (at most 2)": seconds["blocks"] / seconds["matrix_product"],
        "whole call / matrix_product": seconds["marginal_kl_whole_call"]
        / seconds["matrix_product"],
        "log_prob_calls / blocks (at least 40)": seconds["log_prob_calls"] / seconds["blocks"],
        "largest error, nats (at most 1e-3)": error,
    }


def real_nvp(rounds, n=256, s=1024, d=32, few=16):
    """On a slice of n contexts: seconds per pair do not depend on n."""
    model = Flows(n, d)
    z, indices = model.posterior([0]).sample(s, seed=1)[:, 0], tf.range(n)
    kernel = tf.function(lambda i: log_sum_densities(model.posterior(i), z, tf.zeros([n])))
    tiles = tf.tile(tf.range(few), [s])
    tiled_z = tf.repeat(z, few, axis=0)
    tiled = tf.function(lambda: model.posterior(tiles).log_prob(tiled_z))
    plain = tf.function(lambda: plain_flow(model, tiles).log_prob(tiled_z))
    np.testing.assert_allclose(tiled(), plain(), rtol=1e-3, atol=1e-3)
    halves = [tf.random.normal([few * s, d // 2]) for _ in range(3)]
    hidden = [tf.random.normal([few * s, 128]) for _ in range(4)]
    networks = model.layer.networks

    def products():
        first = [tf.matmul(a, w.of_latents.kernel) for a, w in zip(halves, networks, strict=False)]
        last = [tf.matmul(h, w.last.kernel) for h, w in zip(hidden, networks, strict=True)]
        return first + last

    functions = {
        "split": lambda: kernel(indices),
        "tiled": tiled,
        "plain": plain,
        "products": tf.function(products),
    }
    clocks = {"wall": time.perf_counter, "processor": time.process_time}
    return {
        name: per_pair(interleaved(functions, rounds, clock), s, n, few)
        for name, clock in clocks.items()
    }


def per_pair(seconds, s, n, few):
    """Returns microseconds for each pair of a sample and a context, and their ratios."""
    pair = {name: value / (s * few) * 1e6 for name, value in seconds.items()}
    pair["split"] = seconds["split"] / (s * n) * 1e6
    return {
        "microseconds_per_pair": pair,
        "tiled / split": pair["tiled"] / pair["split"],
        "plain TFP on tiled [z, context] / split (at least 10)": pair["plain"] / pair["split"],
        "split / products (at most 2)": pair["split"] / pair["products"],
    }


def plain_flow(model, indices):
    """The same density, as one writes it with TensorFlow Probability: dense layers of [z, h]."""
    h = tf.gather(model.context, indices)

    def parameters(network):
        weights = tf.concat([network.of_latents.kernel, network.of_features.kernel], axis=0)

        def call(a, depth):
            hidden = tf.nn.relu(tf.concat([a, h], -1) @ weights + network.of_features.bias)
            raw, shift = tf.split(hidden @ network.last.kernel + network.last.bias, 2, axis=-1)
            return shift, 2.0 * tf.tanh(raw / 2.0)

        return call

    half = model.layer.latent_dim // 2
    couplings = [
        tfb.RealNVP(num_masked=half * (-1) ** k, shift_and_log_scale_fn=parameters(network))
        for k, network in enumerate(model.layer.networks)
    ]
    return tfd.TransformedDistribution(model.layer.base(h), tfb.Chain(couplings[::-1]))


def memory(n=50_000, s=64):
    """Peak memory of a whole call on RealNVP posteriors, and its growth from before the call."""
    model = Flows(n, 32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    evaluation.marginal_kl(model, np.arange(n), s)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "samples": s, "peak_mb (under 1000)": after, "before_mb": before}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    record = {
        "real_nvp_memory": memory(),
        "gaussian": gaussian(options.rounds),
        "real_nvp": real_nvp(options.rounds),
        "load_average": os.getloadavg(),
        "cores": os.cpu_count(),
        "versions": records.versions(),
    }
    print(json.dumps(record, indent=2))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
