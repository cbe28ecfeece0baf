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
# # A bound on missed tumours
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/false_negatives.ipynb)
#
# A classifier that misses at most 2 % of the malignant tumours, and how sure that is:
#
#     minimise   cross-entropy
#     such that  at most 2 % of the malignant tumours are called benign
#
# The table is the breast cancer data of scikit-learn: 569 tumours, 30 numbers each. A fifth is kept
# for the test, among them 47 malignant ones: too few to prove a rate of 2 %, as `check` says.
#
# It takes about a minute on two cores, and downloads nothing. `EPOCHS` and `RATES` in the
# environment change the training: `EPOCHS=30 RATES="0.05 0.02" python examples/false_negatives.py`.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[examples]"
# !nvidia-smi -L || echo "no GPU"

# %%
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_breast_cancer

import tf_geco

EPOCHS = int(os.environ.get("EPOCHS", "60"))
RATES = [float(rate) for rate in os.environ.get("RATES", "1 0.1 0.02 0.01 0.005").split()]

# %% [markdown]
# ## A rate as a constraint
#
# Whether a tumour is missed has no gradient: it is 1 or 0. So the constraint gets two functions.
# The first is what counts, and decides how strong the pull is. The second can be differentiated,
# and gives its direction. The third says which tumours the rate is a mean over.


# %%
@keras.saving.register_keras_serializable(package="false_negatives")
def missed(x, y, outputs):
    """Whether a tumour is called benign: 1 or 0, `[B]`."""
    return outputs[:, 0] < 0.5


@keras.saving.register_keras_serializable(package="false_negatives")
def probability_of_missing(x, y, outputs):
    """The probability that it is called benign, `[B]`, which can be differentiated."""
    return 1.0 - outputs[:, 0]


@keras.saving.register_keras_serializable(package="false_negatives")
def is_malignant(x, y, outputs):
    """Which tumours count: the rate is a mean over the malignant ones alone, `[B]`."""
    return tf.equal(y, 1)


def classifier(rate):
    """Returns a classifier with a bound on the false-negative rate."""
    network = keras.Sequential([keras.Input((30,)), keras.layers.Dense(1, activation="sigmoid")])
    bound = tf_geco.constraints.from_function(
        missed, rate, "false_negative_rate", proxy=probability_of_missing, where=is_malignant
    )
    return tf_geco.models.Constrained(network, "binary_crossentropy", tf_geco.GECO([bound]))


# %% [markdown]
# ## Data


# %%
def tumours(seed=0):
    """Returns the table for training and for the test, each `(x, y)`; y is 1 if malignant."""
    table = load_breast_cancer()
    order = np.random.default_rng(seed).permutation(len(table.data))
    train, test = np.split(order, [len(order) * 4 // 5])
    mean, scale = table.data[train].mean(axis=0), table.data[train].std(axis=0)
    x, y = ((table.data - mean) / scale).astype("float32"), 1 - table.target
    return (x[train], y[train]), (x[test], y[test])


def false_alarms(model, x, y):
    """Returns the share of benign tumours that are called malignant: what the bound costs."""
    return float(np.mean(np.asarray(model(x))[y == 0, 0] >= 0.5))


# %% [markdown]
# ## Training at each rate
#
# A rate of 1 asks for nothing: it is the classifier without a bound. `check` says for the tumours
# of the test whether the rate holds, and how sure that is.

# %%
train, test = tumours()
print(f"{train[1].sum()} malignant tumours in training, {test[1].sum()} in the test")
found = []
for rate in RATES:
    keras.utils.set_random_seed(0)
    model = classifier(rate)
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(*train, batch_size=32, epochs=EPOCHS, verbose=0).history
    in_training, alarms = history["false_negative_rate"][-1], false_alarms(model, *test)
    print(f"\nat most {rate:.1%} missed: {in_training:.1%} in training,")
    print(f"false alarms {alarms:.1%}. On tumours not trained on:")
    check = tf_geco.evaluation.check(model, test)
    print(check)
    found.append((in_training, check["false_negative_rate"], alarms))


# %% [markdown]
# ## What the bound costs, and what is known
#
# Grey squares are the rates in training. All of them are within what was asked for. Without a bound
# 3 of 165 are missed there, so bounds of 10 % and 2 % would ask for nothing more. At 2 % only one
# is missed, which is more careful than it had to be. Below that each bound costs false alarms.
#
# Blue are the tumours of the test. More of them are missed than in training: 165 examples are few
# to learn from. And 47 are few to measure with, so the intervals are wide. Of 2 % `check` cannot
# say whether it holds; of 1 % it says that it does not. It takes 183 malignant tumours with no miss
# among them to prove 2 %.


# %%
def draw(rates, found):
    """Draws for each rate asked what was missed, how sure that is, and the false alarms."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    places = np.arange(len(rates))
    in_training, findings, alarms = zip(*found, strict=True)
    readings = np.array([finding.reading for finding in findings])
    intervals = np.array([finding.interval for finding in findings])
    bars = np.abs(intervals.T - readings)
    asked = [(place, rate) for place, rate in zip(places, rates, strict=True) if rate < 1]
    for place, rate in asked:
        label = "asked for, at most" if (place, rate) == asked[0] else None
        left.hlines(rate, place - 0.35, place + 0.35, color="crimson", label=label)
    style = {"fmt": "o", "capsize": 4, "color": "tab:blue"}
    left.errorbar(places, readings, bars, label="test, 95 % interval", **style)
    left.plot(places - 0.2, in_training, "s", ms=5, color="0.5", label="training")
    left.set(ylabel="malignant tumours that are missed", ylim=(-0.01, 1.5 * intervals.max()))
    right.bar(places, alarms, width=0.6, color="tab:orange")
    for place, share in zip(places, alarms, strict=True):
        style = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center"}
        right.annotate(f"{100 * share:.1f} %", (place, share), **style)
    right.set(ylabel="benign tumours called malignant (test)")
    names = ["no bound" if rate == 1 else f"{100 * rate:g} %" for rate in rates]
    for axes in (left, right):
        axes.set_xticks(places, names)
        axes.set_xlabel("asked for: at most this share missed")
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, loc="upper right")
    return figure


draw(RATES, found).savefig("false_negatives.png", dpi=100)
