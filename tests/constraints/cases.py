"""One constraint of each kind, and a batch for all of them: each law holds for every one."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.constraints import (
    ClassificationAccuracy,
    FeatureReconstructionError,
    KLDivergence,
    NegativeLogLikelihood,
    PatchNCC,
    ReconstructionError,
    from_function,
)

SHAPE = (12, 10, 2)


@keras.saving.register_keras_serializable(package="tests")
def normal(mean):
    return tfd.Normal(mean, 0.5)


@keras.saving.register_keras_serializable(package="tests")
def brightness(x, y, outputs):
    return tf.reduce_mean(outputs["reconstruction"], axis=(1, 2, 3))


@keras.saving.register_keras_serializable(package="tests")
def is_bright(x, y, outputs):
    return brightness(x, y, {"reconstruction": tf.convert_to_tensor(x)}) > 0.5


def small_classifier():
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )


def small_features():
    return keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(3, 3, activation="tanh")])


# Each takes a tolerance, or another than the default: a number or a schedule of it.
MAKE = {
    "reconstruction": lambda t=0.1, **k: ReconstructionError(t, **k),
    "reconstruction_sum": lambda t=0.1, **k: ReconstructionError(t, reduction="sum", **k),
    "features": lambda t=0.2, **k: FeatureReconstructionError(t, small_features(), **k),
    "statistics": lambda t=0.2, **k: FeatureReconstructionError(t, **k),
    "accuracy": lambda t=0.9, **k: ClassificationAccuracy(t, small_classifier(), **k),
    "accuracy_strict": lambda t=0.9, **k: ClassificationAccuracy(
        t, small_classifier(), strict=True, **k
    ),
    "patches": lambda t=0.8, **k: PatchNCC(t, patch_size=4, **k),
    "bernoulli": lambda t=0.3, **k: NegativeLogLikelihood(t, unit="nats_per_dim", **k),
    "normal": lambda t=-0.2, **k: NegativeLogLikelihood(
        t, normal, unit="bits_per_dim", scale=1.0, **k
    ),
    "kl": lambda t=15.0, **k: KLDivergence(t, **k),
    "function": lambda t=0.4, **k: from_function(
        brightness, t, "brightness", form=">=", where=is_bright
    ),
}
every_constraint = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())


def batch(seed=0, n=6):
    """Returns images, labels and outputs."""
    random = np.random.default_rng(seed)
    x = random.uniform(size=(n, *SHAPE)).astype("float32")
    reconstruction = random.uniform(size=(n, *SHAPE)).astype("float32")
    y = random.integers(4, size=n)
    return x, y, {"reconstruction": reconstruction, "kl": random.uniform(1, 40, n).astype("f4")}


def values_of(constraint, x, y=None, outputs=None):
    """Returns what a constraint measures, `[B]`."""
    return constraint(x, y=y, outputs=outputs).values


# Formulas in loops, one example and one patch at a time.


def loop_reconstruction(x, g, mask):
    total, number = 0.0, 0
    for a, b, seen in zip(x.ravel(), g.ravel(), mask.ravel(), strict=True):
        if seen:
            total += (a - b) ** 2
            number += 1
    return total / number


def patches_of(image, size, strides):
    height, width = image.shape[:2]
    for i in range(0, height - size + 1, strides):
        for j in range(0, width - size + 1, strides):
            yield image[i : i + size, j : j + size].astype(np.float64)


def loop_patch_ncc(x, g, mask):
    """Returns the mean correlation, and whether any patch counts."""
    size, strides, floor, epsilon = 4, 2, 0.02, 0.01
    terms = []
    groups = (patches_of(image, size, strides) for image in (x, g, mask))
    for p, q, seen in zip(*groups, strict=True):
        if p.std() < floor or not seen.all():
            continue
        psi_p, psi_q = (
            (patch - patch.mean()) / np.sqrt(np.sum((patch - patch.mean()) ** 2) + epsilon**2)
            for patch in (p, q)
        )
        terms.append(np.sum(psi_p * psi_q))
    return (np.mean(terms), True) if terms else (0.0, False)


def loop_statistics(x, g, size=4, strides=2, epsilon=1e-2):
    errors = []
    for p, q in zip(patches_of(x, size, strides), patches_of(g, size, strides), strict=True):
        for c in range(p.shape[-1]):
            a, b = p[..., c], q[..., c]
            errors.append((a.mean() - b.mean()) ** 2)
            errors.append((np.sqrt(a.var() + epsilon**2) - np.sqrt(b.var() + epsilon**2)) ** 2)
    return np.mean(errors)
