"""The cells of breadth.py: data, networks and optimizers that the defaults were not made for.

Written down before the rule was tuned. Settings marked `held` were not looked at while tuning.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
from keras import layers
from sklearn import datasets as tables

import tf_geco

IMAGE = (28, 28, 1)
COLOUR = (28, 28, 3)
PATCH = (16, 16, 3)
SIZE = 5000  # examples of data that can be had in any number


def images(name):
    """Returns the training images of a data set of the library, `[N, ...]`."""
    options = {"size": SIZE} if name == "color_mnist" else {}
    batches = tf_geco.datasets.load(name, 500, "train", **options)
    return np.concatenate([image for image, _ in batches.as_numpy_iterator()])


def photographs():
    """Returns patches of two photographs, `[N, 16, 16, 3]`, in [0, 1]."""
    random, patches = np.random.default_rng(0), []
    for photograph in tables.load_sample_images().images:
        for _ in range(SIZE // 2):
            top, left = (random.integers(side - 16) for side in photograph.shape[:2])
            patches.append(photograph[top : top + 16, left : left + 16])
    return random.permutation(np.array(patches, "float32")) / 255.0


def sines():
    """Returns sums of two sines and noise, `[N, 64, 1]`, standardised."""
    random, time = np.random.default_rng(0), np.linspace(0, 1, 64)
    rate, phase = random.uniform(1, 6, (2, SIZE, 1)), random.uniform(0, 2 * np.pi, (2, SIZE, 1))
    waves = np.sin(2 * np.pi * rate * time + phase).sum(0)
    return standardised(waves + 0.1 * random.normal(size=waves.shape))[..., np.newaxis]


def standardised(table):
    """Returns columns of mean 0 and variance 1, in float32."""
    return ((table - table.mean(0)) / table.std(0)).astype("float32")


DATA = {
    "digits": lambda: images("mnist5k"),
    "bytes": lambda: 255.0 * images("mnist5k"),
    "colour": lambda: images("color_mnist"),
    "photographs": photographs,
    "sines": sines,
    "small digits": lambda: (tables.load_digits().data / 16.0).astype("float32"),
    "tumours": lambda: standardised(tables.load_breast_cancer().data),
    "wines": lambda: standardised(tables.load_wine().data),
}


def dense(shape, latents, *, activation="relu", hidden=(256, 128), last="sigmoid", between=None):
    """Returns plain dense networks as most people write them."""

    def stack(widths):
        parts = []
        for width in widths:
            parts += [layers.Dense(width, activation=activation), *([between()] if between else [])]
        return parts

    encoder = keras.Sequential([keras.Input(shape), layers.Flatten(), *stack(hidden)])
    last = layers.Dense(int(np.prod(shape)), activation=last)
    parts = [keras.Input((latents,)), *stack(hidden[::-1]), last, layers.Reshape(shape)]
    return encoder, keras.Sequential(parts)


def keras_example(shape, latents):
    """Returns the networks of the VAE example of keras.io."""
    conv = {"kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"}
    encoder = [layers.Conv2D(32, **conv), layers.Conv2D(64, **conv), layers.Flatten()]
    encoder = keras.Sequential([keras.Input(shape), *encoder, layers.Dense(16, "relu")])
    decoder = [layers.Dense(7 * 7 * 64, "relu"), layers.Reshape((7, 7, 64))]
    decoder += [layers.Conv2DTranspose(64, **conv), layers.Conv2DTranspose(32, **conv)]
    last = layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")
    return encoder, keras.Sequential([keras.Input((latents,)), *decoder, last])


def batch_norm_convolutions(shape, latents):
    """Returns small convolutional networks with batch normalisation."""
    conv = {"kernel_size": 4, "strides": 2, "padding": "same"}
    down = [layers.Conv2D(8, **conv), layers.BatchNormalization(), layers.ReLU()]
    down += [layers.Conv2D(16, **conv), layers.BatchNormalization(), layers.ReLU()]
    encoder = keras.Sequential([keras.Input(shape), *down, layers.Flatten()])
    up = [layers.Dense(7 * 7 * 16), layers.BatchNormalization(), layers.ReLU()]
    up += [layers.Reshape((7, 7, 16)), layers.Conv2DTranspose(8, **conv)]
    up += [layers.BatchNormalization(), layers.ReLU()]
    up += [layers.Conv2DTranspose(1, **conv, activation="sigmoid")]
    return encoder, keras.Sequential([keras.Input((latents,)), *up])


def sequences(shape, latents):
    """Returns small networks for sequences."""
    encoder = [layers.Conv1D(32, 5, strides=2, activation="gelu"), layers.Flatten()]
    decoder = [layers.Dense(128, activation="gelu"), layers.Dense(64), layers.Reshape(shape)]
    return keras.Sequential([keras.Input(shape), *encoder]), keras.Sequential(decoder)


def scaled(shape, latents):
    """Returns dense networks for bytes: scaled at the entrance, linear at the exit."""
    encoder, decoder = dense(shape, latents)
    first, last = layers.Rescaling(1 / 255.0), layers.Rescaling(255.0)
    return keras.Sequential([keras.Input(shape), first, encoder]), keras.Sequential([decoder, last])


def preset(shape, latents):
    """Returns the library's dense networks."""
    return tf_geco.models.dense_networks(shape, latents, hidden=(256, 128))


def small_convolutions(shape, latents):
    """Returns the library's convolutional networks, small."""
    return tf_geco.models.conv_networks(shape, latents, filters=(8, 16), hidden=64)


def adam(rate=1e-3, **options):
    """Returns a maker of the optimizer, given the steps of the training."""
    return lambda steps: keras.optimizers.Adam(rate, **options)


def cosine(rate):
    """Returns a maker of Adam whose rate falls to zero."""
    schedules = keras.optimizers.schedules
    return lambda steps: keras.optimizers.Adam(schedules.CosineDecay(rate, steps))


@dataclass(frozen=True)
class Setting:
    """Data, networks and training; each of its tolerances makes a cell.

    A tolerance is a share of the error of the mean example: 0.8 is easy, 0.45 is not.
    """

    data: str
    networks: Callable
    latents: int
    shares: tuple
    optimizer: Callable = field(default_factory=adam)
    batch: int = 64
    steps: int = 1500
    posterior: str = "normal"
    policy: str = "float32"
    plateau: bool = False
    held: bool = False


def relu(**options):
    return lambda shape, latents: dense(shape, latents, **options)


EASY, USUAL, TIGHT = (0.9, 0.75), (0.75, 0.55), (0.6, 0.45)
SETTINGS = {
    "relu": Setting("digits", relu(), 16, USUAL, batch=128),
    "relu, rate 3e-3": Setting("digits", relu(), 16, USUAL, adam(3e-3), 128, held=True),
    "relu, 600 steps": Setting("digits", relu(), 16, USUAL, batch=128, steps=600),
    "elu, 300 steps": Setting("digits", relu(activation="elu"), 16, EASY, steps=300, held=True),
    "relu, rate 3e-4": Setting("digits", relu(), 16, USUAL, adam(3e-4), 32, 3000),
    "tanh, cosine": Setting("digits", relu(activation="tanh"), 16, USUAL, cosine(3e-3), held=True),
    "gelu, weight decay": Setting(
        "digits", relu(activation="gelu"), 16, TIGHT, adam(weight_decay=0.01)
    ),
    "relu, batch 512": Setting("digits", relu(), 16, USUAL, adam(2e-3), 512, 600, held=True),
    "batch norm": Setting("digits", relu(between=layers.BatchNormalization), 16, USUAL),
    "batch norm, conv": Setting("digits", batch_norm_convolutions, 16, USUAL, held=True),
    "keras.io, 2 latents": Setting("digits", keras_example, 2, EASY),
    "keras.io, 16 latents": Setting("digits", keras_example, 16, USUAL, held=True),
    "relu, 128 latents": Setting("digits", relu(), 128, TIGHT),
    "relu, 256 latents": Setting("digits", relu(), 256, USUAL, held=True),
    "preset, 2 latents": Setting("digits", preset, 2, EASY),
    "preset, 4 latents": Setting("digits", preset, 4, EASY, held=True),
    "flow": Setting("digits", preset, 16, USUAL, posterior="flow"),
    "preset conv": Setting("digits", small_convolutions, 32, USUAL, held=True),
    "dropout": Setting("digits", relu(between=lambda: layers.Dropout(0.1)), 16, USUAL),
    "ema": Setting("digits", relu(), 16, USUAL, adam(use_ema=True), held=True),
    "colour": Setting("colour", preset, 32, TIGHT),
    "colour, conv, rate 2e-3": Setting(
        "colour", small_convolutions, 32, USUAL, adam(2e-3), held=True
    ),
    "colour, relu": Setting("colour", relu(), 16, EASY),
    "small digits": Setting("small digits", preset, 8, USUAL, held=True),
    "small digits, batch 16": Setting("small digits", relu(), 8, EASY, batch=16),
    "sines": Setting("sines", relu(activation="gelu", last=None), 8, USUAL),
    "sines, conv": Setting("sines", sequences, 8, TIGHT, held=True),
    "tumours": Setting("tumours", relu(last=None), 8, USUAL, batch=32, steps=600),
    "wines": Setting("wines", relu(last=None), 4, EASY, batch=16, steps=400, held=True),
    "photographs": Setting("photographs", preset, 64, TIGHT),
    "photographs, relu": Setting("photographs", relu(), 32, USUAL, held=True),
    "bfloat16": Setting("digits", relu(), 16, USUAL, policy="mixed_bfloat16", held=True),
    "plateau": Setting("digits", relu(), 16, USUAL, adam(2e-3), plateau=True),
    "bytes": Setting("bytes", scaled, 16, USUAL, held=True),
    "relu, 6,000 steps": Setting("digits", relu(), 16, USUAL, steps=6000),
    "relu, 4,500 steps": Setting("digits", relu(), 16, TIGHT, steps=4500, held=True),
}
