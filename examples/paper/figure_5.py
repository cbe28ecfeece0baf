"""Figure 5: GECO asks for the error at which the ELBO ended: what does each pay for it?"""

import matplotlib.pyplot as plt
from training import Paper, Run, at_the_error_of, available, record, train_missing


def make(paper: Paper) -> tuple:
    """Returns the figure, and KL and error of both by step."""
    photographs = available(paper, ["cifar10"]) if "cifar10" in paper.preset.unconditional else []
    elbo = Run(*(photographs or ["color_mnist"]), "conv_draw", "ELBO")
    geco = at_the_error_of(paper, elbo)
    train_missing(paper, [geco])
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    found = {"data": elbo.data, "asked": float(geco.objective.split()[1])}
    for name, run, colour in (("ELBO", elbo, "C2"), ("GECO", geco, "C0")):
        way = record(paper, run)["trajectory"]
        error = [row[0] ** 2 for row in way["measured"]]
        axes[0].plot(way["step"], error, color=colour, label=name)
        axes[1].plot(way["step"], way["cost"], color=colour, label=name)
        found[name] = {"step": way["step"], "squared error": error, "kl": way["cost"]}
    axes[0].set(xlabel="step", ylabel="mean squared error", yscale="log")
    axes[0].axhline(found["asked"] ** 2, color="crimson", lw=1, ls="--", label="asked of GECO")
    axes[1].set(xlabel="step", ylabel="average KL (nats)", yscale="log")
    axes[0].legend(frameon=False)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, found
