# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # ConvDRAW: as many nats as the picture needs
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/conv_draw.ipynb)
#
# ConvDRAW draws in steps. At each it looks at what is still wrong, draws latents of its own, and
# adds to a canvas. It can reconstruct far better than we can see, and by its ELBO it does, at the
# price of latents whose prior it cannot match: then its samples fall apart. GECO asks for a
# reconstruction that is good enough and spends no more.
#
# This notebook runs in under ten minutes on two cores and downloads no data. The preset `"small"`
# is for that; `"large"` is of the size that papers use, and wants an accelerator.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[examples]"
# !nvidia-smi -L || echo "no GPU"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import matplotlib.pyplot as plt
import numpy as np

import tf_geco
from tf_geco.constraints import ReconstructionError

STEPS = int(os.environ.get("STEPS", "900"))
PRESET = os.environ.get("PRESET", "small")

# %% [markdown]
# ## Coloured digits, four objectives
#
# Three digits as red, green and blue: 1,000 kinds of picture. GECO with two tolerances, and two
# baselines: the ELBO with a sigma of 0.1, and the ELBO with a beta that is annealed by hand, from
# 2.0 to 0.7.

# %%
data, test = tf_geco.datasets.load("color_mnist", batch_size=32, size=9600)
images = next(iter(test))[0].numpy()
anneal = keras.optimizers.schedules.PolynomialDecay(2.0, STEPS, 0.7)  # a straight line
objectives = {
    "ELBO": tf_geco.ELBO(sigma=0.1),
    "ELBO, beta 2.0 to 0.7": tf_geco.ELBO(0.1, anneal),
    "GECO, kappa 0.1": tf_geco.GECO([ReconstructionError(0.1)]),
    "GECO, kappa 0.15": tf_geco.GECO([ReconstructionError(0.15)]),
}


# %%
def train(objective, data, steps, channels, **options):
    """Returns a ConvDRAW trained for so many steps, and how it got there."""
    keras.utils.set_random_seed(0)
    shape = (28, 28, channels)
    model = tf_geco.ConvDRAW.from_preset(PRESET, shape, objective, **options)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)  # XLA slows convolutions on CPUs
    callback = tf_geco.GECOCallback(every=10)
    model.fit(data.repeat(), epochs=4, steps_per_epoch=steps // 4, verbose=2, callbacks=[callback])
    return model, callback.trajectory.arrays()


models, trajectories = {}, {}
for name, objective in objectives.items():
    print(name)
    models[name], trajectories[name] = train(objective, data, STEPS, channels=3)

# %% [markdown]
# Rows are held-out data, their reconstructions, and samples from the prior (Figure 6 of the paper).
# All four reconstruct; what differs is the price. So short a training draws no digits yet, but the
# fewer nats a picture takes, the better the prior knows what pictures are: by the ELBO samples are
# confetti, by GECO they begin to be strokes.

# %%
figure, axes = plt.subplots(2, 2, figsize=(13, 5), layout="constrained")
for axis, (name, model) in zip(axes.flat, models.items(), strict=True):
    shown = images[:10]
    nats = tf_geco.evaluation.average_kl(model, images).value
    rows = {"data": shown, "reconstruction": model.reconstruct(shown, seed=0)}
    tf_geco.plotting.samples_grid({**rows, "samples": model.sample(10, seed=0)}, axes=axis)
    axis.set_title(f"{name}: {nats:.0f} nats")
figure.savefig("conv_draw_samples.png", dpi=120)

# %% [markdown]
# ## The way there
#
# Each point is an average over a hundred steps, coloured by time (Figure 3 of the paper). First the
# mean of the pictures is learned; then lambda rises, KL is spent, and the error nears the line.
# With more `STEPS` it stays there, and the KL falls again.

# %%
figure = tf_geco.plotting.trajectory(trajectories["GECO, kappa 0.1"], tolerance=0.1)
figure.savefig("conv_draw_trajectory.png", dpi=120)

# %% [markdown]
# The information plane (Figure 4): what each model pays, against how well it describes the data.

# %%
sigmas = {name: tf_geco.evaluation.optimal_sigma(model, images) for name, model in models.items()}
points = {
    name: [tf_geco.evaluation.information_plane(model, images, sigma=sigmas[name])]
    for name, model in models.items()
}
figure = tf_geco.plotting.information_plane(points)

# %% [markdown]
# ## First the outline, then the detail
#
# The first latents of a drawing settle the most. With only the first k steps drawn, and the others
# at the mean of their prior, a picture comes out that needs fewer nats to send.

# %%
model = models["GECO, kappa 0.1"]
rows = {f"{k} drawn" if k else "none drawn": model.sample(12, seed=1, steps=k) for k in range(5)}
tf_geco.plotting.samples_grid(rows)
outputs = model.predict(images, verbose=0)
print("nats per step:", np.round(outputs["kl_per_step"].mean(axis=0), 1))

# %% [markdown]
# ## A context: turn this digit by that angle
#
# The context is a digit and a number; what to draw is another instance of the digit, turned
# counter-clockwise by the number times 30 degrees. The model takes `{"context", "target"}` and
# predicts targets for contexts that it has not seen. In so few steps it finds the stroke and often
# the angle; `benchmarks/rotation.py` trains longer and counts how often both are right.

# %%
pairs, unseen = tf_geco.datasets.load("mnist_rotate", batch_size=32, size=9600)
turner, _ = train(
    tf_geco.GECO([ReconstructionError(0.15)]),
    pairs,
    2 * STEPS,
    channels=1,
    context_shape=(28, 28, 2),
)
context, target = (next(iter(unseen))[0][key][:12].numpy() for key in ("context", "target"))
rows = {"digit": context[..., :1], "turn": context[..., 1:], "target": target}
rows |= {f"prediction {k}": turner.sample(context=context, seed=k) for k in (1, 2)}
figure = tf_geco.plotting.samples_grid(rows)
figure.savefig("conv_draw_rotations.png", dpi=120)
