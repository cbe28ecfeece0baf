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
# # Quickstart
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/quickstart.ipynb)
#
# A VAE of real handwritten digits that reconstructs to the error you ask for, without choosing a
# beta. Then the same with networks of your own.
#
# It takes a few minutes on two cores, and downloads nothing. `EPOCHS` and `TOLERANCE` in the
# environment change the training: `EPOCHS=10 TOLERANCE=0.15 python examples/quickstart.py`.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[examples]"
# !nvidia-smi -L || echo "no GPU"

# %%
import os
from pathlib import Path

import keras
import matplotlib.pyplot as plt
from keras import layers

import tf_geco

EPOCHS = int(os.environ.get("EPOCHS", "40"))
TOLERANCE = float(os.environ.get("TOLERANCE", "0.1"))  # RMS error of a pixel, whose range is 1
outputs = Path("outputs")
outputs.mkdir(exist_ok=True)

# %% [markdown]
# ## Train to an error
#
# `TOLERANCE` is in the unit of the pixels: 0.1 is a tenth of the range of the image.

# %%
keras.utils.set_random_seed(0)
train, test = tf_geco.datasets.load("mnist5k", batch_size=64)
model = tf_geco.VAE(
    *tf_geco.models.conv_networks(image_shape=(28, 28, 1), latent_dim=32),
    posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=32),
    objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(TOLERANCE)]),
)
model.compile(keras.optimizers.Adam(1e-3))
callback = tf_geco.GECOCallback()
history = model.fit(train, epochs=EPOCHS, callbacks=[callback]).history

# %% [markdown]
# ## What came out

# %%
on_test = model.evaluate(test, verbose=0, return_dict=True)
print(f"error asked for      {TOLERANCE:.4f}")
print(f"error reached        {history['reconstruction_error'][-1]:.4f} on the training digits")
print(f"                     {on_test['reconstruction_error']:.4f} on held-out digits")
print(f"KL spent             {history['kl'][-1]:.1f} nats per digit")
print(f"beta that GECO found {history['beta'][-1]:.3g}")

# %% [markdown]
# The tolerance holds on the digits that were trained on. On others the error is larger;
# `GECO(..., hold_on="validation")` asks for it there.

# %%
digits = next(iter(test))[0][:16]
rows = {
    "digits": digits,
    "reconstructions": model.reconstruct(digits, seed=0),
    "samples": model.sample(16, seed=0),
}
figure = plt.figure(figsize=(10, 5.2), layout="constrained")
images, curves = figure.subfigures(2, 1, height_ratios=[1.1, 1.6])
tf_geco.plotting.samples_grid(rows, axes=images.subplots())
trajectory = callback.trajectory.arrays()
tf_geco.plotting.trajectory(trajectory, tolerance=TOLERANCE, axes=curves.subplots(1, 3))
figure.savefig(outputs / "quickstart.png", dpi=150)

# %% [markdown]
# Above are digits that it had not seen, their reconstructions, and samples. Below, GECO finds
# lambda: the error comes down to the tolerance, and the KL is what that costs.
#
# ## Keep it
#
# The model file resumes training where it ended, lambda included. The other needs TensorFlow alone.

# %%
model.save(outputs / "vae.keras")
model.export(outputs / "vae_savedmodel", verbose=False)

# %% [markdown]
# ## Your networks, your data
#
# An encoder is any Keras model from an example to a vector, a decoder is any from a latent vector
# to an example. The posterior makes the last projection, so the encoder ends with hidden units,
# a convolutional one with `Flatten`. Data are arrays, or a `tf.data.Dataset` of `x` or
# `(x, labels)`.

# %%
encoder = keras.Sequential(
    [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(256, activation="relu")]
)
decoder = keras.Sequential(
    [
        keras.Input((32,)),
        layers.Dense(256, activation="relu"),
        layers.Dense(784),
        layers.Reshape((28, 28, 1)),
    ]
)
mine = tf_geco.VAE(
    encoder,
    decoder,
    posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=32),
    objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(TOLERANCE)]),
)
mine.compile(keras.optimizers.Adam(1e-3))
logs = mine.fit(train, epochs=EPOCHS, verbose=0).history
print(f"asked for {TOLERANCE:.3f}, reached {logs['reconstruction_error'][-1]:.4f}", end=" ")
print(f"with {logs['kl'][-1]:.1f} nats")

# %% [markdown]
# Which tolerance is right for your data? `tf_geco.evaluation.tolerance_guide` shows what each would
# look like, and [one training serves a range](every_tolerance.ipynb). The tutorial in the
# documentation goes on from here.
