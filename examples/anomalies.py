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
# # Anomalies in series of sensors
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/anomalies.ipynb)
#
# A VAE learns normal series, to an error that the data themselves suggest. A series that it cannot
# reconstruct to about that error is not normal. 5 % of the values are missing, in training too.
#
# The series are made here: oscillations in three channels that belong together. In the anomalies
# one sensor freezes, jumps, or loses the others.
#
# It takes one to two minutes on two cores, and downloads nothing. `EPOCHS` and `TOLERANCE` in the
# environment change the training: `EPOCHS=25 TOLERANCE=0.18 python examples/anomalies.py`.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[examples]"
# !nvidia-smi -L || echo "no GPU"

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

import tf_geco

EPOCHS = int(os.environ.get("EPOCHS", "60"))
TOLERANCE = float(os.environ.get("TOLERANCE", "0.15"))  # RMS, in units of the data
SHAPE, SENSORS = (64, 3), ("pressure", "flow", "temperature")
KINDS = ("frozen", "jump", "alone")


# %% [markdown]
# ## Series, anomalies and gaps
#
# Each series has one oscillation, and each sensor sees it in its own way. The noise has a standard
# deviation of 0.1.


# %%
def normal_series(number, random):
    """Returns series `[N, 64, 3]`: an oscillation, which three sensors see in their way."""
    time = np.linspace(0.0, 1.0, SHAPE[0])
    rate, phase = random.uniform(1.0, 4.0, (number, 1)), random.uniform(0, 2 * np.pi, (number, 1))
    size = random.uniform(0.5, 1.5, (number, 1))
    angle = 2 * np.pi * rate * time + phase
    seen = [size * np.sin(angle), size * np.cos(angle) ** 2 - size / 2, np.sin(angle - 1.0)]
    return np.stack(seen, axis=2) + 0.1 * random.normal(size=(number, *SHAPE))


def with_anomaly(series, kind, sensor, random):
    """Returns a series in which one sensor fails: from some moment on, for a while, or always."""
    series, start = series.copy(), random.integers(16, 40)
    if kind == "frozen":
        series[start:, sensor] = series[start, sensor]
    elif kind == "jump":
        series[start : start + 8, sensor] += random.choice([-1.5, 1.5])
    else:
        series[:, sensor] = normal_series(1, random)[0, :, sensor]
    return series


def with_gaps(series, random):
    """Returns series with 5 % of the values missing, and the mask of those observed."""
    mask = random.uniform(size=series.shape) > 0.05
    return np.where(mask, series, np.nan).astype("float32"), mask


def held_out(random):
    """Returns normal series, series with an anomaly, and of these the kind and the sensor."""
    good, others = normal_series(500, random), normal_series(300, random)
    kinds, sensors = np.repeat(KINDS, 100), random.integers(3, size=300)
    failed = [
        with_anomaly(s, kind, sensor, random)
        for s, kind, sensor in zip(others, kinds, sensors, strict=True)
    ]
    return good, np.array(failed), kinds, sensors


# %% [markdown]
# ## Which error to ask for
#
# `tolerance_guide` says what simple codes reach on these data. The mask says which values are
# there. The star marks the tolerance that we ask for below.

# %%
random = np.random.default_rng(0)
keras.utils.set_random_seed(0)
train, seen = with_gaps(normal_series(3000, random), random)
guide = tf_geco.tolerance_guide((train, {"mask": seen}), [TOLERANCE])
print(guide)
tf_geco.plotting.tolerance_guide(guide).savefig("anomalies_guide.png", dpi=100)

# %% [markdown]
# The noise alone has an error of 0.1, so below that there is nothing to learn. 0.15 is a little
# above it: the oscillation must be right, the noise may go.
#
# ## Training on normal series


# %%
def networks(latent_dim):
    """Returns an encoder and a decoder for series."""
    conv = {"kernel_size": 5, "strides": 2, "padding": "same", "activation": "gelu"}
    encoder = [layers.Conv1D(32, **conv), layers.Conv1D(64, **conv), layers.Flatten()]
    decoder = [layers.Dense(16 * 64, activation="gelu"), layers.Reshape((16, 64))]
    decoder += [layers.Conv1DTranspose(64, **conv), layers.Conv1DTranspose(32, **conv)]
    decoder += [layers.Conv1D(3, 5, padding="same")]
    return (
        keras.Sequential([keras.Input(SHAPE), *encoder]),
        keras.Sequential([keras.Input((latent_dim,)), *decoder]),
    )


model = tf_geco.VAE(
    *networks(latent_dim=8),
    posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=8),
    objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(TOLERANCE)]),
)
model.compile(keras.optimizers.Adam(1e-3))
history = model.fit(train, {"mask": seen}, batch_size=64, epochs=EPOCHS, verbose=0).history
print(f"asked for an error of {TOLERANCE}, reached {history['reconstruction_error'][-1]:.4f}")
print(f"KL {history['kl'][-1]:.1f} nats")

# %% [markdown]
# ## Which series are not normal
#
# `model.score` gives the error of each series, over the values that are there. A series is reported
# if its error is above that of 99 % of the training series. So 1 % of those are reported too, and
# of new normal ones a little more.


# %%
def errors_of(series, mask):
    """Returns the error of each series, `[N]`, over its observed values."""
    return model.score(series, {"mask": mask}, batch_size=100)["reconstruction_error"]


good, failed, kinds, sensors = held_out(random)
scores = {}
for name, series in {"normal": good, "anomalies": failed}.items():
    data, mask = with_gaps(series, random)
    scores[name] = (data, mask, errors_of(data, mask))
limit = np.quantile(errors_of(train, seen), 0.99)
print(f"series above {limit:.3f}, the 99 % quantile of training:")
print(f"  {np.mean(scores['normal'][2] > limit):6.1%} of normal ones")
found = scores["anomalies"][2] > limit
for kind in KINDS:
    print(f"  {np.mean(found[kinds == kind]):6.1%} of those with a sensor that is '{kind}'")
print("by sensor: " + "".join(f"{sensor:>12}" for sensor in SENSORS))
for kind in KINDS:
    shares = [np.mean(found[(kinds == kind) & (sensors == i)]) for i in range(3)]
    print(f"  {kind:9}" + "".join(f"{share:12.1%}" for share in shares))

# %% [markdown]
# All jumps are found, and nearly all sensors that are alone. Of the frozen sensors some are missed,
# and those are flows: the flow moves least of the three, so little changes when it stops. The error
# of a series is a mean over all three sensors, which hides it.
#
# The picture shows the errors at the top. Below is a series of each kind: dots are data, lines are
# reconstructions, and the sensor that fails is drawn boldly. The model knows no such series, and
# reconstructs a normal one that is near.


# %%
def draw(model, scores, kinds, sensors, limit):
    """Draws the errors, and a series of each kind with its reconstruction."""
    figure, axes = plt.subplot_mosaic(
        [["errors"] * 4, ["normal", *KINDS]], figsize=(11, 6), layout="constrained"
    )
    errors = {"normal": scores["normal"][2]}
    errors |= {kind: scores["anomalies"][2][kinds == kind] for kind in KINDS}
    bins = np.linspace(0.0, 1.0, 51)
    for name, values in errors.items():
        share = np.full(len(values), 1 / len(values))
        style = {"color": "0.8", "label": "normal", "histtype": "stepfilled"}
        if name != "normal":
            color = ("tab:purple", "tab:red", "tab:brown")[KINDS.index(name)]
            style = {"lw": 1.6, "color": color, "label": f"'{name}'", "histtype": "step"}
        axes["errors"].hist(np.minimum(values, 0.999), bins, weights=share, **style)
    axes["errors"].axvline(limit, color="black", lw=1, ls="--", label="99 % of training")
    axes["errors"].set(xlabel="error of a series (RMS)", ylabel="share of series", xlim=(0.05, 1))
    axes["errors"].legend(frameon=False)
    for kind in errors:
        data, mask, error = scores["normal" if kind == "normal" else "anomalies"]
        index = 0 if kind == "normal" else np.flatnonzero(kinds == kind)[0]
        failed = None if kind == "normal" else sensors[index]
        code = model.encode_mean(np.where(mask, data, 0.0)[index : index + 1])
        for sensor, color in enumerate(("tab:blue", "tab:orange", "tab:green")):
            alpha = 1.0 if failed in (None, sensor) else 0.3
            style = {"color": color, "alpha": alpha}
            axes[kind].plot(data[index, :, sensor], ".", ms=4, label=SENSORS[sensor], **style)
            axes[kind].plot(model.decode(code)[0, :, sensor], lw=1.2, **style)
        what = "normal" if failed is None else f"{SENSORS[failed]} '{kind}'"
        axes[kind].set_title(f"{what}: error {error[index]:.2f}", fontsize="medium")
        axes[kind].set(xlabel="time", ylim=(-2.2, 2.2))
    for axis in axes.values():
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes["normal"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


draw(model, scores, kinds, sensors, limit).savefig("anomalies.png", dpi=100)
