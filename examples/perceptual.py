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
# # A perceptual constraint
#
# [![Open In Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tf-geco/tf_geco/blob/main/examples/perceptual.ipynb)
#
# Nobody remembers where each stripe of a zebra lies, but everybody that it has stripes. A pixel
# error sees it the other way round: stripes that are shifted are worse than none. So a VAE under a
# pixel error alone drops textures first. The features of a network see that there is a texture, and
# they can be chosen so that they do not see where each line lies.
#
# Here two VAEs are trained on the same scenes of 64 x 64 pixels:
#
# | name | constraints |
# | --- | --- |
# | pixels | `ReconstructionError` |
# | perceptual | `FeatureReconstructionError` on our own network, a loose `ReconstructionError` |
#
# It takes five to ten minutes on two cores and needs no download. `EPOCHS=60` in the
# environment gives the VAEs twice the time.

# %%
# On Colab, run this cell first: it changes nothing that is there, and names the GPU.
# !pip list --format=freeze > there.txt && pip install -q -c there.txt "tf_geco[examples]"
# !nvidia-smi -L || echo "no GPU"

# %%
import colorsys
import os

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers
from scipy.ndimage import gaussian_filter

import tf_geco
from tf_geco.constraints import FeatureReconstructionError, ReconstructionError

keras.utils.set_random_seed(0)
EPOCHS = int(os.environ.get("EPOCHS", "30"))

# %% [markdown]
# ## Scenes
#
# A disc, square or triangle, plain or with stripes, checks or noise, lies before a shaded
# background. Scenes come from one stream of random numbers; where lines and grains lie comes from
# another. So a scene can be drawn again with the same texture, but its lines elsewhere.

# %%
SHAPES = "disc", "square", "triangle"
TEXTURES = "plain", "stripes", "checks", "noise"
Y, X = np.mgrid[:64, :64].astype(float)


def distance(shape, x, y):
    """Returns how far points are from the centre of a shape: less than 1 inside."""
    if shape == "disc":
        return np.hypot(x, y)
    if shape == "square":
        return 1.15 * np.maximum(abs(x), abs(y))
    return np.maximum(y, abs(x) * np.sqrt(3) / 2 - y / 2) / 0.6


def pattern(texture, upright, phases):
    """Returns a texture from 0, dark, to 1, light: lines 8 pixels apart, or grains of 2 pixels."""
    if texture == "plain":
        return np.full((64, 64), 0.5)
    if texture == "noise":
        return np.kron(phases.choice([0.0, 1.0], (32, 32)), np.ones((2, 2)))
    across, along = (np.sin(2 * np.pi * (v / 8 + phases.uniform())) for v in (X, Y))
    stripes = across if upright else along
    wave = stripes if texture == "stripes" else 2 * across * along
    return 0.5 + 0.5 * np.clip(2 * wave, -1, 1)


def scene(shape, texture, random, phases):
    """Returns an image, `[64, 64, 3]`: a shape with a texture before a background."""
    slope, colour, hue = random.uniform(-1, 1, 2), random.uniform(0.3, 0.6, 3), random.uniform()
    light = 0.2 * (slope[0] * (X / 32 - 1) + slope[1] * (Y / 32 - 1))
    background = colour + light[..., np.newaxis]
    dark, bright = (np.array(colorsys.hsv_to_rgb(hue, 0.7, value)) for value in (0.4, 0.95))
    share = pattern(texture, random.uniform() < 0.5, phases)[..., np.newaxis]
    (x, y), size = random.uniform(24, 40, 2), random.uniform(16, 24)
    inside = (1 - distance(shape, (X - x) / size, (Y - y) / size)) * size
    cover = np.clip(inside + 0.5, 0, 1)[..., np.newaxis]
    return np.clip((1 - cover) * background + cover * (dark + share * (bright - dark)), 0, 1)


def scenes(n, seed, phase_seed):
    """Returns `n` images and labels, four times the shape plus the texture."""
    random, phases = np.random.default_rng(seed), np.random.default_rng(phase_seed)
    labels = random.integers(12, size=n)
    images = [scene(SHAPES[k // 4], TEXTURES[k % 4], random, phases) for k in labels]
    return np.array(images, "float32"), labels


images, labels = scenes(3000, seed=0, phase_seed=1)
test_images, test_labels = scenes(500, seed=2, phase_seed=3)
redrawn, _ = scenes(500, seed=2, phase_seed=4)

# %% [markdown]
# ## Features of a network of our own
#
# A small classifier learns to name shape and texture. Its middle layer is an average over 4 x 4
# places: it says which edges there are, and loses where exactly each lies. That
# average is the choice that matters here. Any frozen Keras network will do, such as a layer of a
# `keras.applications` model.


# %%
def stage(filters, size, strides):
    """Returns the layers of a convolution with batch normalisation."""
    convolution = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)
    return [convolution, layers.BatchNormalization(momentum=0.9), layers.ReLU()]


def make_classifier(seed, epochs=8):
    """Returns a classifier of scenes, trained in under a minute."""
    keras.utils.set_random_seed(seed)
    middle = layers.AveragePooling2D(4, strides=2, name="middle")
    top = [layers.Flatten(), layers.Dropout(0.3), layers.Dense(12, activation="softmax")]
    below = [*stage(16, 5, 2), *stage(32, 5, 2)]
    network = keras.Sequential([keras.Input((64, 64, 3)), *below, middle, *stage(64, 3, 1), *top])
    steps = epochs * len(images) // 64
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(4e-3, steps)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA slows convolutions on CPUs
    )
    network.fit(images, labels, batch_size=64, epochs=min(EPOCHS, epochs), verbose=0)
    accuracy = network.evaluate(test_images, test_labels, verbose=0)[1]
    print(f"classifier {seed}: names shape and texture of {accuracy:.1%} of the test scenes")
    return network


classifier, judge = make_classifier(seed=0), make_classifier(seed=1)
features = keras.Model(classifier.inputs, classifier.get_layer("middle").output)

# %% [markdown]
# The second classifier, the judge, gives no features. No VAE sees it; at the end it says what it
# recognises in the reconstructions.
#
# ## Which tolerances?
#
# For pixels, the guide says what each error means. We take 0.1, which PCA reaches with about ten
# numbers, and a blur of several pixels.

# %%
print(tf_geco.tolerance_guide(images))

# %% [markdown]
# Features have units of their own, so measure what you know. Here that is the error of an
# image that you would accept, a scene with its texture drawn anew, and of images that you
# would not: blurred ones, and the mean image.


# %%
def errors_of(reconstructions):
    """Returns the root-mean-square errors of reconstructed test scenes: of pixels, of features."""
    pixels = np.mean((reconstructions - test_images) ** 2)
    seen = [features.predict(x, verbose=0) for x in (reconstructions, test_images)]
    return np.sqrt(pixels), np.sqrt(np.mean((seen[0] - seen[1]) ** 2))


def draw(rows, path):
    """Draws the first six images of each row, each row beside its name, to a file."""
    _, axes = plt.subplots(figsize=(6, 0.86 * len(rows)), layout="constrained")
    names = [name.replace(": ", "\n") for name in rows]
    strips = [images[:6] for images in rows.values()]
    figure = tf_geco.plotting.samples_grid(dict(zip(names, strips, strict=True)), axes=axes)
    figure.savefig(path, dpi=100, bbox_inches="tight")


known = {
    "texture drawn anew": redrawn,
    "blurred by 1 pixel": gaussian_filter(test_images, (0, 1, 1, 0)),
    "blurred by 2 pixels": gaussian_filter(test_images, (0, 2, 2, 0)),
    "the mean image": np.broadcast_to(images.mean(axis=0), test_images.shape),
}
print(f"{'':20} {'pixels':>8} {'features':>8}")
for name, found in known.items():
    pixel_error, feature_error = errors_of(found)
    print(f"{name:20} {pixel_error:8.3f} {feature_error:8.3f}")
draw({"test scenes": test_images, **known}, "perceptual_tolerances.png")

# %% [markdown]
# Pixels prefer the blur, features the texture. So choose the tolerance of the features between
# these two, and that of the pixels no lower than the error of a texture drawn anew, or it would
# forbid what we accept. It is still below that of the mean image: it keeps colours and light in
# place, which these features see only in part.

# %%
accepted_pixels, accepted_features = errors_of(redrawn)
like, loose = round(1.1 * float(accepted_features), 3), round(float(accepted_pixels), 3)
objectives = {
    "pixels": [ReconstructionError(0.1)],
    "perceptual": [FeatureReconstructionError(like, features), ReconstructionError(loose)],
}
print(f"asked of features {like}, of pixels beside them {loose}")

# %% [markdown]
# ## Training
#
# `checkpoint` writes the best model so far: one that meets all its constraints before one that
# does not, then the one of the fewest nats. Training leaves the features as they are, and the file
# holds them too.


# %%
def train(name, constraints):
    """Trains a VAE under constraints, saves the best to a file, and returns the callback."""
    keras.utils.set_random_seed(0)
    model = tf_geco.VAE(
        *tf_geco.models.conv_networks((64, 64, 3), latent_dim=32, filters=(16, 32, 64, 64)),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=32),
        objective=tf_geco.GECO(constraints),
    )
    model.compile(keras.optimizers.Adam(2e-3), jit_compile=False)
    callback = tf_geco.GECOCallback(checkpoint=f"{name}.keras")
    options = {"batch_size": 64, "epochs": EPOCHS, "verbose": 0, "callbacks": [callback]}
    history = model.fit(images, **options).history
    for constraint in constraints:
        found = history[constraint.name][-1]
        print(f"{name}: {constraint.name} asked {constraint.tolerance:.3f}, got {found:.3f}")
    print(f"{name}: KL {history['kl'][-1]:.1f} nats, best epoch {callback.best_epoch + 1}\n")
    return callback


callbacks = {name: train(name, constraints) for name, constraints in objectives.items()}

# %% [markdown]
# How it went under the two constraints, features above and pixels below: the KL rises until
# both errors are near what was asked, then the VAE finds cheaper codes of the same errors.

# %%
record = callbacks["perceptual"].trajectory.arrays()
figure, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained")
for index, tolerance in enumerate((like, loose)):
    tf_geco.plotting.trajectory(record, tolerance=tolerance, index=index, axes=axes[index])
figure.savefig("perceptual_trajectory.png", dpi=100)

# %% [markdown]
# ## What came out
#
# Both models come from their files. What is printed was measured on test scenes.

# %%
rows, samples = {"test scenes": test_images}, {}
print(f"{'':12} {'nats':>6} {'pixels':>8} {'features':>8}   judge: {'shape':>6} {'texture':>8}")
for name in objectives:
    model = keras.models.load_model(f"{name}.keras")
    nats = model.score(test_images)["kl"].mean()
    reconstructions = np.asarray(model.reconstruct(test_images, seed=0))
    pixel_error, feature_error = errors_of(reconstructions)
    named = judge.predict(reconstructions, verbose=0).argmax(axis=1)
    shape = np.mean(named // 4 == test_labels // 4)
    texture = np.mean(named % 4 == test_labels % 4)
    print(f"{name:12} {nats:6.1f} {pixel_error:8.3f} {feature_error:8.3f}", end="")
    print(f"{shape:16.0%} {texture:8.0%}")
    rows[f"{name}: {nats:.0f} nats"] = reconstructions
    samples[f"{name}: samples"] = model.sample(6, seed=0)
draw(rows | samples, "perceptual.png")

# %% [markdown]
# In the run shown here both met what was asked on the training scenes, for 20 nats and 15. (Errors
# on test scenes are a little larger. `hold_on="validation"` asks there.)
#
# - **pixels** spends them on a smooth patch of the right colour in the right place. No texture is
#   left, and the features are further off than those of scenes blurred by 2 pixels: 0.405
#   against 0.369.
# - **perceptual** has a grain where the scene has one, and less than half the error of features,
#   0.184. It pays with a pixel error of 0.120 instead of 0.104, about that of a scene with its
#   texture drawn anew, 0.115.
#
# It is not a full success. One grain, dots on a grid, stands for stripes, checks and noise alike;
# it has colours that the scene has not, and is there more faintly on plain shapes. The judge names
# 46 % of the textures, against 21 %, where guessing would name 25 %; of the shapes 54 % against
# 53 %. A network that was not asked is not convinced: what the features do not see is free, and
# the decoder uses it. So look at the pictures, not only at the error. What one could try next is a
# smaller tolerance, or features of several layers or of a larger network.
