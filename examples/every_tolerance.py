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
# # Every tolerance from one training
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/every_tolerance.ipynb)
#
# Which error is right? Often one knows it only when one sees it. With a `tf_geco.Range` in place of
# a tolerance, one training serves all tolerances in it, and the choice is made afterwards.
#
# It takes a few minutes on two cores and needs no download. `EPOCHS=160` in the environment gives
# it twice the time.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[examples]"
# !nvidia-smi -L || echo "no GPU"

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

import tf_geco
from tf_geco.constraints import ReconstructionError

keras.utils.set_random_seed(0)
EPOCHS = int(os.environ.get("EPOCHS", "80"))
TOLERANCES = tf_geco.Range(0.09, 0.2)

# %% [markdown]
# ## Train once
#
# The networks are any networks. What a tolerance changes are two gates, one on the encoder's
# features and one on the latents. Each example of a batch is trained at one of nine levels, so
# larger batches and longer trainings pay more than usual.

# %%
train, test = tf_geco.datasets.load("mnist5k", batch_size=128)
model = tf_geco.VAE(
    *tf_geco.models.dense_networks((28, 28, 1), latent_dim=32),
    posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=32),
    objective=tf_geco.GECO([ReconstructionError(TOLERANCES)]),
)
model.compile(keras.optimizers.Adam(1e-3))
history = model.fit(train, epochs=EPOCHS, verbose=0).history
for name in ("reconstruction_error_0.09", "reconstruction_error_0.2"):
    print(f"{name}: {history[name][-1]:.3f}")

# %% [markdown]
# ## What does each tolerance cost?
#
# On digits of the training, errors come out as asked. On digits that the model has not seen they
# are larger, so the model is calibrated on half of these: from then on a tolerance is that of new
# digits. The other half shows whether that holds.

# %%
images = np.concatenate([x for x, _ in train.as_numpy_iterator()])
unseen = np.concatenate([x for x, _ in test.as_numpy_iterator()])
curves = {"digits of the training": tf_geco.evaluation.rate_distortion(model, images)}
model.calibrate(unseen[::2])
curves["digits not seen"] = tf_geco.evaluation.rate_distortion(model, unseen[1::2])
for name, curve in curves.items():
    print(f"{name}\n{curve}\n")
tf_geco.plotting.rate_distortion(curves).savefig("every_tolerance_curve.png", dpi=120)

# %% [markdown]
# ## From blur to sharp
#
# The same digits by the same model: on the left what the loosest tolerance leaves, on the right the
# strictest. In a notebook with `ipywidgets` the slider below does it live.

# %%
digits = unseen[[1, 3, 5, 7, 9, 11, 13, 15]]
asked = np.geomspace(TOLERANCES.greatest, curves["digits not seen"].readings.min(), 7)
columns = [np.asarray(model.reconstruct(digits, seed=0, tolerance=t)) for t in asked]
figure, axes = plt.subplots(1, 8, figsize=(8, 7.4), layout="constrained")
for axis, column, label in zip(
    axes, [*columns, digits], [*(f"{t:.3f}" for t in asked), "data"], strict=True
):
    axis.imshow(np.vstack(column).squeeze(), cmap="gray", vmin=0, vmax=1)
    axis.set_title(label)
    axis.set_axis_off()
figure.savefig("every_tolerance.png", dpi=120)


# %%
def draw(tolerance):
    """Shows reconstructions at a tolerance, and what they cost."""
    curve = curves["digits not seen"]
    kl = float(np.interp(tolerance, curve.tolerances, curve.kl))
    strip = np.hstack(np.asarray(model.reconstruct(digits, seed=0, tolerance=tolerance))).squeeze()
    shown.set_data(np.vstack([np.hstack(digits).squeeze(), strip]))
    title.set_text(f"tolerance {tolerance:.3f}: {kl:.0f} nats")


figure, axis = plt.subplots(figsize=(6.4, 2.1), layout="constrained")
shown, title = axis.imshow(np.zeros((56, 224)), cmap="gray", vmin=0, vmax=1), axis.set_title("")
axis.set_axis_off()
frames = np.concatenate([asked, asked[::-1]])
FuncAnimation(figure, draw, np.repeat(frames, 2)).save("every_tolerance.gif", PillowWriter(fps=4))

# %%
try:
    import ipywidgets
except ImportError:
    print("pip install ipywidgets shows a slider here")
else:
    slider = ipywidgets.FloatSlider(0.15, min=asked.min(), max=asked.max(), step=0.005)
    ipywidgets.interact(lambda tolerance: (draw(tolerance), figure)[1], tolerance=slider)
