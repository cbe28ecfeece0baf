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
# # Seven digits in a plane: do the posteriors tile the latent space?
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/micro_mnist.ipynb)
#
# Figure 8 of "Taming VAEs" (Rezende and Viola, 2018): a VAE with RealNVP posteriors and two
# latents learns seven digits. The best posteriors are tiles: together they cover the prior, and
# none overlaps another more than the tolerance allows. Trained by its ELBO the
# model leaves holes, from which it would draw no digit at all. Trained by GECO it is asked for a
# reconstruction error of `kappa`, and spends what is left on closing them.
#
# The marginal KL, KL(q(z) || prior), measures the holes in nats.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[plot,datasets]"
# !nvidia-smi -L || echo "no GPU"

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import tf_geco

# %% [markdown]
# ## Seven random digits

# %%
digits, _ = next(iter(tf_geco.datasets.load("micro_mnist", 7, "train", seed=7, size=7)))
digits = digits.numpy()
batch = np.repeat(digits, 16, axis=0)  # each step sees 16 latents of each digit

# %% [markdown]
# ## One model, four objectives
#
# With its likelihood at the optimal sigma the ELBO has no error at which it stops: it sharpens
# seven digits for as long as it trains. A tolerance of `kappa` = 0.05 is a reconstruction that
# looks perfect, and 0.2 one that tells only the most unlike digits apart. The mean of all digits
# meets 0.5, so that tolerance costs no nats at all, and what nobody asks for is not learnt: some of
# its samples stay as grey as the first.

# %%
STEPS = int(os.environ.get("STEPS", "3000"))


def train(objective):
    keras.utils.set_random_seed(1)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((28, 28, 1), latent_dim=2, hidden=(256, 128)),
        posterior=tf_geco.posteriors.RealNVP(latent_dim=2, hidden=64),
        objective=objective,
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-3, STEPS)
    model.compile(keras.optimizers.Adam(rate), steps_per_execution=min(STEPS, 100))
    steps = tf.data.Dataset.from_tensors(batch).repeat(STEPS)
    model.fit(steps, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    return model


def geco(kappa):
    return tf_geco.GECO([tf_geco.constraints.ReconstructionError(kappa)])


models = {
    r"ELBO, $\beta$ = 1": train(tf_geco.ELBO(sigma="optimal")),
    r"GECO, $\kappa$ = 0.05": train(geco(0.05)),
    r"GECO, $\kappa$ = 0.2": train(geco(0.2)),
    r"GECO, $\kappa$ = 0.5": train(geco(0.5)),
}

# %% [markdown]
# ## What each spends, and what it leaves uncovered

# %%
print(f"{'':24}{'RMSE':>8}{'avg KL':>9}{'marginal KL':>20}   (log 7 = {np.log(7):.2f} nats)")
marginals = {}
for name, model in models.items():
    average = tf_geco.evaluation.average_kl(model, batch)
    marginals[name] = tf_geco.evaluation.marginal_kl(model, digits, 4096)
    rmse = tf_geco.evaluation.optimal_sigma(model, batch)
    holes = marginals[name]
    print(
        f"{name:24}{rmse:8.3f}{average.value:9.2f}{holes.value:13.2f} +- {holes.standard_error:.2f}"
    )

# %% [markdown]
# ## Figure 8
#
# One hundred samples of each digit's posterior, in its colour. The circles hold 50 %, 90 % and
# 99 % of the prior.

# %%
figure, panels = plt.subplots(1, 4, figsize=(13, 3.7), layout="constrained")
for panel, (name, model) in zip(panels, models.items(), strict=True):
    samples = model.posterior(digits).sample(100, seed=0)
    title = f"{name}\nmarginal KL {marginals[name].value:.2f} nats"
    tf_geco.plotting.latent_scatter(samples, limit=4.5, title=title, axes=panel)
figure.savefig("micro_mnist.png", dpi=150)
plt.show()

# %% [markdown]
# ## What they draw from the prior

# %%
rows = {"data": digits} | {name: model.sample(7, seed=3).numpy() for name, model in models.items()}
figure = tf_geco.plotting.samples_grid(rows)
figure.savefig("micro_mnist_samples.png", dpi=150, bbox_inches="tight")
plt.show()
