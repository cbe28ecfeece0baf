"""Anomalies in the series of three sensors, of which 5 % of the values are missing.

A VAE learns normal series to an error that the data themselves suggest. What it cannot reconstruct
to that error is not normal. The data are made here: oscillations in three channels that belong
together; in the anomalies one sensor freezes, jumps, or loses the others.

    python examples/anomalies.py                   # two minutes on two CPU cores
"""

import argparse
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

import tf_geco

SHAPE, SENSORS = (64, 3), ("pressure", "flow", "temperature")
KINDS = ("frozen", "jump", "alone")


def normal_series(number, random):
    """Returns series `[N, 64, 3]`: an oscillation, which three sensors see in their way."""
    time = np.linspace(0.0, 1.0, SHAPE[0])
    rate, phase = random.uniform(1.0, 4.0, (number, 1)), random.uniform(0, 2 * np.pi, (number, 1))
    size = random.uniform(0.5, 1.5, (number, 1))
    angle = 2 * np.pi * rate * time + phase
    seen = [size * np.sin(angle), size * np.cos(angle) ** 2 - size / 2, np.sin(angle - 1.0)]
    return np.stack(seen, axis=2) + 0.1 * random.normal(size=(number, *SHAPE))


def with_anomaly(series, kind, sensor, random):
    """Returns a series in which one sensor fails from some moment on."""
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tolerance", type=float, default=0.15, help="RMS, in units of the data")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    options = parser.parse_args()

    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    train, seen = with_gaps(normal_series(3000, random), random)
    print(tf_geco.tolerance_guide((train, {"mask": seen})))

    model = tf_geco.VAE(
        *networks(latent_dim=8),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=8),
        objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(options.tolerance)]),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(train, {"mask": seen}, batch_size=64, epochs=options.epochs, verbose=2)

    good, failed, names = held_out(random)
    scores = {}
    for name, series in {"normal": good, "anomalies": failed}.items():
        data, mask = with_gaps(series, random)
        scores[name] = (data, mask, model.score(data, {"mask": mask})["reconstruction_error"])
    limit = np.quantile(model.score(train, {"mask": seen})["reconstruction_error"], 0.99)
    print(f"\nseries above {limit:.3f}, the 99 % quantile of training:")
    print(f"  {np.mean(scores['normal'][2] > limit):6.1%} of normal ones")
    for kind in KINDS:
        found = scores["anomalies"][2][names == kind]
        print(f"  {np.mean(found > limit):6.1%} of those with a sensor that is '{kind}'")
    options.outputs.mkdir(parents=True, exist_ok=True)
    figure = draw(model, scores, names, limit)
    figure.savefig(options.outputs / "anomalies.png", dpi=100)


def held_out(random):
    """Returns normal series, series with an anomaly, and the kind of each."""
    good, others = normal_series(500, random), normal_series(300, random)
    names = np.repeat(KINDS, 100)
    failed = [
        with_anomaly(s, k, random.integers(3), random) for s, k in zip(others, names, strict=True)
    ]
    return good, np.array(failed), names


def draw(model, scores, names, limit):
    """Draws the errors, and a series of each kind with its reconstruction."""
    figure, (top, *rest) = plt.subplots(1, 4, figsize=(14, 3.2), layout="constrained")
    bins = np.linspace(0.0, 1.0, 50)
    for name, (_, _, errors) in scores.items():
        top.hist(np.minimum(errors, 1.0), bins, alpha=0.6, density=True, label=name)
    top.axvline(limit, color="black", lw=1, label="99 % of training")
    top.set(xlabel="error of a series (RMS)", ylabel="density")
    top.legend(frameon=False)
    data, mask, errors = scores["anomalies"]
    for axes, kind in zip(rest, KINDS, strict=True):
        index = np.flatnonzero(names == kind)[0]
        code = model.encode_mean(np.where(mask, data, 0.0)[index : index + 1])
        for sensor, colour in enumerate(("tab:blue", "tab:orange", "tab:green")):
            axes.plot(data[index, :, sensor], ".", ms=3, color=colour, label=SENSORS[sensor])
            axes.plot(model.decode(code)[0, :, sensor], lw=1, color=colour)
        axes.set(title=f"'{kind}': error {errors[index]:.2f}", xlabel="time")
    rest[0].legend(fontsize="small", loc="upper right")
    return figure


if __name__ == "__main__":
    main()
