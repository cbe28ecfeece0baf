"""GECO in a model and a `train_step` of one's own: what changes in the VAE that most people write.

The model is the usual one: an encoder that returns mean and log-variance, noise, a decoder, and a
`train_step` with a sum of two losses. Lines that GECO changes are marked `# GECO`; what stood there
before is beside them.

    python examples/own_train_step.py              # a few minutes on two CPU cores
"""

import argparse
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import layers

import tf_geco

LATENT_DIM = 16


def encoder():
    """Returns a network, images -> mean and log-variance of the latents."""
    images = keras.Input((28, 28, 1))
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(images)
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    # A small last layer starts the posterior near the prior, which no learning rate then upsets.
    small = {"kernel_initializer": keras.initializers.VarianceScaling(0.01)}
    return keras.Model(images, [layers.Dense(LATENT_DIM, **small)(x) for _ in range(2)])


def decoder():
    """Returns a network, latents -> images."""
    up = {"kernel_size": 3, "strides": 2, "padding": "same", "activation": "relu"}
    return keras.Sequential(
        [
            keras.Input((LATENT_DIM,)),
            layers.Dense(7 * 7 * 64, activation="relu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(64, **up),
            layers.Conv2DTranspose(32, **up),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ]
    )


class MyVAE(keras.Model):
    """A VAE as one writes it by hand, with a constraint in place of a beta."""

    def __init__(self, tolerance):
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder()
        self.noise = keras.random.SeedGenerator(0)
        self.geco = tf_geco.GECO(  # GECO; was: self.beta = beta
            [tf_geco.constraints.ReconstructionError(tolerance)]
        )
        names = ("reconstruction_error", "kl", "feasible")
        self.means = {name: keras.metrics.Mean(name) for name in names}

    @property
    def metrics(self):
        return list(self.means.values())

    def call(self, images):
        mean, log_variance = self.encoder(images)
        noise = keras.random.normal(tf.shape(mean), seed=self.noise)
        latents = mean + tf.exp(0.5 * log_variance) * noise
        kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - log_variance - 1.0, axis=1)
        return {"reconstruction": self.decoder(latents), "latents": latents, "kl": kl}

    def train_step(self, images):
        with tf.GradientTape() as tape:
            outputs = self(images)
            # GECO: `cost` has a number per example; `outputs` has the latents, whose number says
            # where lambda starts. Was:
            # squares = tf.reduce_sum((images - outputs["reconstruction"]) ** 2, axis=(1, 2, 3))
            # loss = tf.reduce_mean(squares + self.beta * outputs["kl"])
            sums = self.geco(images, outputs=outputs, cost=outputs["kl"])
            loss = self.geco.loss(sums)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.geco.update(sums)  # GECO: one step of the multiplier, after one of the optimizer
        figures = {**self.geco.readings(sums), **self.geco.verdict(sums)}
        for name, value in {**figures, "kl": tf.reduce_mean(outputs["kl"])}.items():
            self.means[name].update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tolerance", type=float, default=0.12, help="error to ask for (RMS)")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    batches = tf_geco.datasets.load("mnist5k", batch_size=64, split="train")
    images = np.concatenate([image for image, _ in batches])
    model = MyVAE(options.tolerance)
    model.compile(keras.optimizers.Adam(1e-3))
    steps = options.epochs * -(-len(images) // 64)
    model.geco.plan(steps)  # GECO: by this it paces itself
    callback = tf_geco.GECOCallback()
    model.fit(images, batch_size=64, epochs=options.epochs, callbacks=[callback])

    options.outputs.mkdir(parents=True, exist_ok=True)
    figure = tf_geco.plotting.trajectory(callback.trajectory.arrays())
    figure.savefig(options.outputs / "own_train_step.png", dpi=100)
    plt.close(figure)
    return model


if __name__ == "__main__":
    main()
