# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # GECO in a `train_step` of your own
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/own_train_step.ipynb)
#
# The model is the VAE that most people write: an encoder that returns mean and log-variance, noise,
# a decoder, and a `train_step` with a sum of two losses. Here a constraint takes the place of beta.
# Lines that GECO changes are marked `# GECO`; what stood there before is beside them.
#
# It takes three to five minutes on two cores. The digits come with a package, so nothing
# is downloaded. `EPOCHS` and `TOLERANCE` in the environment change the training:
# `EPOCHS=10 TOLERANCE=0.15 python examples/own_train_step.py`.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[examples]"
# !nvidia-smi -L || echo "no GPU"

# %%
import os

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import tf_geco

EPOCHS = int(os.environ.get("EPOCHS", "30"))
TOLERANCE = float(os.environ.get("TOLERANCE", "0.12"))  # error to ask for (RMS)
LATENT_DIM = 16


# %% [markdown]
# ## Encoder and decoder
#
# Nothing here is about GECO.


# %%
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


# %% [markdown]
# ## The model
#
# `self.geco` holds the constraint and its multiplier lambda. It needs three calls in `train_step`:
# the sums of a batch, the loss that is made of them, and an update after the step of the optimizer.


# %%
class MyVAE(keras.Model):
    """A VAE as one writes it by hand, with a constraint in place of a beta."""

    def __init__(self, tolerance):
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder()
        self.noise = keras.random.SeedGenerator(0)
        self.geco = tf_geco.GECO(  # GECO; was: self.beta = beta
            [tf_geco.constraints.ReconstructionError(tolerance)]
        )
        self.built = True  # GECO: it builds itself by the first batch, the networks are built above
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


# %% [markdown]
# ## Training
#
# `GECOCallback` records the training. It finds the objective in the model under any name.

# %%
keras.utils.set_random_seed(0)
train, test = tf_geco.datasets.load("mnist5k", batch_size=64)
images = np.concatenate([image for image, _ in train])
model = MyVAE(TOLERANCE)
model.compile(keras.optimizers.Adam(1e-3))
steps = EPOCHS * -(-len(images) // 64)
model.geco.plan(steps)  # GECO: by this it paces itself
callback = tf_geco.GECOCallback()
history = model.fit(images, batch_size=64, epochs=EPOCHS, callbacks=[callback], verbose=0).history
print(f"asked for an error of {TOLERANCE}, reached {history['reconstruction_error'][-1]:.4f}")
print(f"KL {history['kl'][-1]:.1f} nats")

# %% [markdown]
# The error falls to the tolerance, which is shown in red, and the KL rises. Then the error stays
# there, and the KL falls again. On the right is beta, which one would have to find by hand
# otherwise. At the end it still rises a little, and the KL still falls.

# %%
record = callback.trajectory.arrays()
tf_geco.plotting.trajectory(record, tolerance=TOLERANCE).savefig("own_train_step.png", dpi=100)

# %% [markdown]
# ## Digits
#
# These digits were not trained on. The constraint is one on the training digits, so the error of
# others is a little larger. Samples are decoded from the prior; not all of them are digits.

# %%
digits = np.concatenate([image for image, _ in test])
reconstructions = model(digits)["reconstruction"]
error = np.sqrt(np.mean((digits - reconstructions) ** 2))
print(f"error on {len(digits)} digits not trained on: {error:.3f}")
rows = {
    "digits": digits[:16],
    "reconstructions": reconstructions[:16],
    "samples": model.decoder(keras.random.normal((16, LATENT_DIM), seed=0)),
}
tf_geco.plotting.samples_grid(rows).savefig("own_train_step_digits.png", dpi=100)
