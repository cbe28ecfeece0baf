"""What each preset runs: sizes and lengths, nothing else."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Training:
    """How long a network is trained, and how large it is.

    Attributes:
        steps: Optimizer steps.
        batch: Examples in a step.
        learning_rate: That of Adam.
        sizes: Of the network: options of `ConvDRAW.from_preset`; or latents, width of the flow, and
            `hidden` of `dense_networks` or `filters` of `conv_networks`.
    """

    steps: int
    batch: int
    learning_rate: float
    sizes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Preset:
    """The size of all results.

    Attributes:
        conv_draw, vae_nvp, micro: Networks of Figures 3 to 6 and 9 to 11; of Figure 4 and Table 2;
            of Figure 8.
        tolerances: Kappas of Figure 4, of the reconstruction error.
        trajectory: Kappa of Figure 3.
        unconditional, conditional: Data sets of Figure 4.
        source: Where digits come from, `"mnist5k"` or `"mnist"`.
        size: Training examples of data sets that are composed of digits.
        measured: Training images that a model is measured on.
        samples: Of the prior, for the quality of samples.
        marginal: Samples and posteriors of the marginal KL.
        points: Of the data sets of Figures 2 and 7.
        temperatures: Of the curves of Figure 2.
        fixed_points: Steps towards the fixed points that are drawn.
        classifier: Epochs of the classifiers.
    """

    conv_draw: Training
    vae_nvp: Training
    micro: Training
    tolerances: tuple[float, ...]
    trajectory: float
    unconditional: tuple[str, ...]
    conditional: tuple[str, ...]
    source: str
    size: int
    measured: int
    samples: int
    marginal: tuple[int, int]
    points: int
    temperatures: int
    fixed_points: int
    classifier: int


IMAGES = ("mnist", "color_mnist", "mnist_triplets", "cifar10", "celeb_a")
PAIRS = ("mnist_sum", "mnist_sum_hard", "mnist_rotate")
KAPPAS = (0.06, 0.08, 0.1, 0.125, 0.175)  # of the paper

PRESETS = {
    "smoke": Preset(
        conv_draw=Training(4, 8, 2e-3, {"preset": "small", "hidden_channels": 4, "steps": 2}),
        vae_nvp=Training(4, 8, 1e-3, {"latents": 4, "hidden": (16,), "flow": 8}),
        micro=Training(4, 7, 1e-3, {"latents": 2, "hidden": (16,), "flow": 8}),
        tolerances=(0.2,),
        trajectory=0.2,
        unconditional=("color_mnist",),
        conditional=("mnist_rotate",),
        source="mnist5k",
        size=32,
        measured=16,
        samples=16,
        marginal=(16, 16),
        points=40,
        temperatures=6,
        fixed_points=20,
        classifier=1,
    ),
    "small": Preset(
        conv_draw=Training(
            400, 16, 2e-3, {"preset": "small", "hidden_channels": 12, "latent_channels": 2}
        ),
        vae_nvp=Training(1500, 64, 1e-3, {"latents": 32, "hidden": (256, 128), "flow": 64}),
        micro=Training(2000, 112, 1e-3, {"latents": 2, "hidden": (256, 128), "flow": 64}),
        tolerances=KAPPAS,
        trajectory=0.1,
        unconditional=IMAGES,
        conditional=PAIRS,
        source="mnist5k",
        size=4480,
        measured=500,
        samples=500,
        marginal=(256, 1000),
        points=120,
        temperatures=60,
        fixed_points=1000,
        classifier=5,
    ),
    "paper": Preset(
        conv_draw=Training(500_000, 128, 1e-5, {"preset": "large"}),
        vae_nvp=Training(
            1_000_000, 128, 1e-6, {"latents": 128, "filters": (64, 128, 256), "flow": 512}
        ),
        micro=Training(50_000, 112, 1e-4, {"latents": 2, "hidden": (512, 256), "flow": 128}),
        tolerances=KAPPAS,
        trajectory=0.06,
        unconditional=IMAGES,
        conditional=PAIRS,
        source="mnist",
        size=60_000,
        measured=10_000,
        samples=10_000,
        marginal=(1024, 50_000),
        points=200,
        temperatures=400,
        fixed_points=10_000,
        classifier=20,
    ),
}
