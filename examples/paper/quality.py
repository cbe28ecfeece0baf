"""How good samples are, in numbers: by ELBO, and by GECO at the same error.

A frozen classifier looks at samples: how sure it is, how evenly it names the ten classes (1 is
evenly), and how far their features are from those of held-out data (Frechet distance). Of coloured
digits each colour is one digit.
"""

import keras
import numpy as np
from scipy import linalg
from training import Paper, Run, at_the_error_of, available, classifier, examples, trained

NETWORKS = ("conv_draw", "vae_nvp")
DATA = ("mnist", "color_mnist", "cifar10")


def make(paper: Paper) -> tuple:
    """Returns no figure, and the quality of samples, and of training data beside them."""
    record = {}
    for data in available(paper, [name for name in DATA if name in paper.preset.unconditional]):
        judge = Judge(paper, data)
        record[data] = {"data": judge.of(examples(paper, data, paper.preset.samples)[0])}
        for network in NETWORKS:
            elbo = Run(data, network, "ELBO")
            for run, model in trained(paper, [elbo, at_the_error_of(paper, elbo)]).items():
                samples = model.sample(paper.preset.samples, seed=paper.seed)
                record[data][f"{network}, {run.objective}"] = judge.of(np.asarray(samples))
    return None, record


class Judge:
    """A frozen classifier, and what it sees in held-out data."""

    def __init__(self, paper: Paper, data: str) -> None:
        network = classifier(paper, "cifar10" if data == "cifar10" else "mnist")
        outputs = [network.outputs[0], network.get_layer("features").output]
        self.network = keras.Model(network.inputs, outputs)
        self.digits = data != "cifar10"
        held_out, _ = examples(paper, data, paper.preset.samples, "test")
        self.features = self.see(held_out)[1]

    def see(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns probabilities of classes and features, of every digit or photograph."""
        if self.digits:  # each channel shows one
            images = np.moveaxis(images, -1, 0).reshape(-1, *images.shape[1:3], 1)
        return self.network.predict(images, batch_size=500, verbose=0)

    def of(self, images: np.ndarray) -> dict[str, float]:
        """Returns how good images are."""
        probabilities, features = self.see(images)
        shares = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])
        shares = shares[shares > 0] / shares.sum()
        entropy = -np.sum(shares * np.log(shares))
        return {
            "confidence": float(probabilities.max(1).mean()),
            "evenness": float(entropy / np.log(probabilities.shape[1])),
            "Frechet distance": frechet(features, self.features),
        }


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the Frechet distance of two normals, fitted to features `[N, F]` each.

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))
    """
    means = np.sum((a.mean(0) - b.mean(0)) ** 2)
    first, second = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(first @ second).real
    return float(means + np.trace(first + second - 2 * root))
