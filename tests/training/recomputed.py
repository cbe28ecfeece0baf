"""What the logs should say, recomputed in NumPy from a model's outputs."""

import keras
import numpy as np
from scipy import stats

import tf_geco
from tf_geco.constraints import ReconstructionError, from_function


def figures(case, model, data, weights=None, mask=None):
    """Returns KL, reading and loss of a data set, from one forward pass over all of it."""
    outputs, target = model(data), np.asarray(model.target(data), np.float64)
    seen = np.ones(target.shape) if mask is None else np.broadcast_to(mask, target.shape)
    weights = np.ones(len(target)) if weights is None else np.asarray(weights, np.float64)
    counts = weights * (seen.sum(tuple(range(1, target.ndim))) > 0)
    kl = np.average(np.asarray(outputs["kl"], np.float64), weights=weights)
    error = np.average(measured(model, outputs, target, seen), weights=counts)
    return {"kl": kl, **reading(model, error), "loss": loss(model, kl, error)}


def measured(model, outputs, target, seen):
    """Returns the squared error of each example, or its negative log-likelihood, `[n]`."""
    axes = tuple(range(1, target.ndim))
    if model.objective.constraints[0].name == "reconstruction_error":
        error = np.nan_to_num(target) - np.asarray(outputs["reconstruction"], np.float64)
        return (np.where(seen, error, 0) ** 2).sum(axes) / np.maximum(seen.sum(axes), 1)
    number, log_mean = (
        np.asarray(outputs["parameters"][name], np.float64) for name in ("number", "log_mean")
    )
    law = stats.nbinom(number, number / (number + np.exp(log_mean)))
    return -np.where(seen, law.logpmf(np.nan_to_num(target)), 0).sum(axes)


def reading(model, error):
    """Returns what the logs show of a mean, by name."""
    name = model.objective.constraints[0].name
    return {name: np.sqrt(error) if name == "reconstruction_error" else error}


def loss(model, kl, error):
    """Returns the objective of a mean KL and a mean of what is measured, in float64."""
    objective = model.objective
    penalty = sum(float(part) for part in model.losses)
    values = np.prod(model.data_shape[1:])
    if isinstance(objective, tf_geco.ELBO):
        beta = float(objective.logs()["beta"])
        variance = error if objective.sigma == "optimal" else objective.sigma**2
        nll = values / 2 * (error / variance + np.log(2 * np.pi * variance))
        return nll + beta * kl + penalty
    constraint = objective.constraints[0]
    kappa = float(constraint.tolerance_at(objective.step))
    if objective.range is not None:
        return kl + pull(objective, kappa) * (error - kappa**2) + penalty
    if constraint.name != "reconstruction_error":
        return kl + float(objective.multiplier[0]) * (error - kappa) + penalty
    weight = values / 2 / kappa**2 if objective.scaled else 1.0
    return kl + float(objective.multiplier[0]) * weight * (error - kappa**2) + penalty


def pull(objective, kappa):
    """Returns what one unit of violation adds at a tolerance: between the ends, in logarithms."""
    readings = objective.curve()[0].numpy()
    if not np.isfinite(readings).all():  # not all levels were drawn yet
        return np.exp(np.log(objective.pull).mean())
    readings = np.minimum.accumulate(readings[::-1])[::-1]
    place = np.interp(kappa, readings, np.linspace(0, 1, len(readings)))
    return np.exp(np.interp(place, [0, 1], np.log(objective.pull)))


def recall(x, y, outputs):
    return keras.ops.cast(keras.ops.equal(keras.ops.argmax(outputs, -1), y), "float32")


def probability(x, y, outputs):
    return keras.ops.sum(outputs * keras.ops.one_hot(y, 2), axis=-1)


def is_one(x, y, outputs):
    return keras.ops.equal(y, 1)


def floor(tolerance=0.9):
    """Returns a floor for the recall of class 1."""
    wish = {"form": ">=", "proxy": probability, "where": is_one, "scale": 0.1}
    return from_function(recall, tolerance, "recall", **wish)


def classifier(tolerance=0.9, objective=None, **options):
    """Returns a small classifier under a floor for the recall of class 1, compiled."""
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model = tf_geco.models.Constrained(
        network, "sparse_categorical_crossentropy", objective or tf_geco.GECO([floor(tolerance)])
    )
    model.compile(keras.optimizers.SGD(0.1), **{"jit_compile": False, **options})
    return model


def table(n=50, share=0.1, seed=0):
    """Returns features, rare labels and weights."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3)).astype("float32")
    y = (random.uniform(size=n) < share).astype("int64")
    return x, y, random.uniform(0, 3, n).astype("float32")


def plain_vae(objective=None, optimizer=None, **options):
    """Returns a VAE of vectors without batch norm, compiled."""
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,)),
        posterior=tf_geco.posteriors.DiagonalNormal(2),
        objective=tf_geco.GECO([ReconstructionError(0.1)]) if objective is None else objective,
    )
    model.compile(optimizer or keras.optimizers.SGD(0.01), **{"jit_compile": False, **options})
    return model


def twins(make):
    """Returns two models with the same weights."""
    keras.utils.set_random_seed(3)
    one = make()
    keras.utils.set_random_seed(3)
    return one, make()


def assert_same_weights(one, other, rtol=1e-5, atol=1e-6):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)
