"""Train a VAE on real handwritten digits to the error you ask for, without choosing a beta.

    python examples/quickstart.py                     # a few minutes on two CPU cores
    python examples/quickstart.py --tolerance 0.15    # a looser tolerance, a cheaper code

It writes a figure, a model and a SavedModel to `outputs/`.
"""

import argparse
from pathlib import Path

import keras
import matplotlib.pyplot as plt

import tf_geco


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tolerance", type=float, default=0.1, help="error to ask for (RMS)")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    train, test = tf_geco.datasets.load("mnist5k", batch_size=64)
    model = tf_geco.VAE(
        *tf_geco.models.conv_networks(image_shape=(28, 28, 1), latent_dim=32),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=32),
        objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(options.tolerance)]),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    callback = tf_geco.GECOCallback()
    history = model.fit(train, epochs=options.epochs, callbacks=[callback]).history

    on_test = model.evaluate(test, verbose=0, return_dict=True)
    print(f"\nerror asked for      {options.tolerance:.4f}")
    print(f"error reached        {history['reconstruction_error'][-1]:.4f} on the training digits")
    unseen = on_test["reconstruction_error"]
    print(f"                     {unseen:.4f} on held-out digits; hold_on='validation' asks there")
    print(f"KL spent             {history['kl'][-1]:.1f} nats per digit")
    print(f"beta that GECO found {history['beta'][-1]:.3g}")

    options.outputs.mkdir(parents=True, exist_ok=True)
    figure = draw(model, test, callback.trajectory, options.tolerance)
    figure.savefig(options.outputs / "quickstart.png", dpi=150)
    model.save(options.outputs / "vae.keras")
    model.export(str(options.outputs / "vae_savedmodel"))
    print(f"figure and models in {options.outputs}/")


def draw(model, test, trajectory, tolerance):
    """Digits, reconstructions and samples above; the trajectory of training below."""
    digits = next(iter(test))[0][:16]
    figure = plt.figure(figsize=(10, 5.2), layout="constrained")
    images, curves = figure.subfigures(2, 1, height_ratios=[1.1, 1.6])
    rows = {
        "digits": digits,
        "reconstructions": model.reconstruct(digits, seed=0),
        "samples": model.sample(16, seed=0),
    }
    tf_geco.plotting.samples_grid(rows, axes=images.subplots())
    panels = curves.subplots(1, 3)
    tf_geco.plotting.trajectory(trajectory.arrays(), tolerance=tolerance, axes=panels)
    return figure


if __name__ == "__main__":
    main()
