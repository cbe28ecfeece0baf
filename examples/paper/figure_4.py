"""Figure 4: the information plane, by ELBO, by a hand-annealed beta, and by GECO."""

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter
from training import Paper, Run, available, examples, trained

import tf_geco

BASELINES = {"ELBO": "X", "annealed beta": "s"}
MET = 1.05  # of kappa^2


def panels(paper: Paper) -> dict[str, tuple[str, list[str]]]:
    """Returns the network and the data sets of each panel."""
    preset = paper.preset
    unconditional = available(paper, preset.unconditional)
    return {
        "conditional ConvDRAW": ("conv_draw", available(paper, preset.conditional)),
        "ConvDRAW": ("conv_draw", unconditional),
        "VAE + NVP": ("vae_nvp", unconditional),
    }


def objectives(paper: Paper) -> list[str]:
    """Returns the names of all objectives of the figure."""
    return [*BASELINES, *(f"RE {kappa:g}" for kappa in paper.preset.tolerances)]


def make(paper: Paper) -> tuple:
    """Returns the figure, and where each model is in the plane."""
    chosen = panels(paper)
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    record = {}
    for axis, (title, (network, names)) in zip(axes, chosen.items(), strict=True):
        record[title] = {name: curve(paper, name, network) for name in names}
        for index, (name, points) in enumerate(record[title].items()):
            draw(axis, name, f"C{index}", points)
        axis.set(title=title, xlabel="KL (nats)", ylabel="NLL (nats per pixel)", xscale="log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize="small")
    figure.suptitle(
        "GECO: dots tied by a line, hollow where the tolerance is not met; x: ELBO; "
        "squares: annealed beta",
        fontsize="small",
    )
    return figure, record


def curve(paper: Paper, data: str, network: str) -> dict[str, dict[str, float]]:
    """Returns KL, NLL and error of each model of a data set, measured on training images."""
    runs = [Run(data, network, name) for name in objectives(paper)]
    x, _ = examples(paper, data, paper.preset.measured)
    points = {}
    for run, model in trained(paper, runs).items():
        found = tf_geco.evaluation.information_plane(model, x, seed=paper.seed)
        points[run.objective] = {
            "kl": found.kl,
            "nll": found.nll,
            "error": found.reconstruction_error**0.5,
        }
    return points


def draw(axis, name: str, colour: str, points: dict[str, dict[str, float]]) -> None:
    """Draws the models of one data set in one colour."""
    geco = {key: point for key, point in points.items() if key not in BASELINES}
    place = [(point["kl"], point["nll"]) for point in geco.values()]
    axis.plot(*zip(*place, strict=True), "-", color=colour, lw=1, label=name)
    for key, point in points.items():
        met = key in BASELINES or point["error"] ** 2 <= MET * float(key.split()[1]) ** 2
        style = {"markerfacecolor": colour if met else "none", "markeredgecolor": colour}
        axis.plot(point["kl"], point["nll"], BASELINES.get(key, "o"), ms=6, **style)
