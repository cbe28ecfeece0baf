"""Table 2: the marginal KL of VAE + NVP, by ELBO and by GECO: what is left of holes."""

from figure_4 import objectives
from training import Paper, Run, available, examples, measured, trained

DATA = ("cifar10", "color_mnist")


def make(paper: Paper) -> tuple:
    """Returns no figure, and marginal and average KL of each objective, on training images."""
    samples, count = paper.preset.marginal
    names = [name for name in DATA if name in paper.preset.unconditional]
    record = {}
    for data in available(paper, names):
        x, _ = examples(paper, data, count)
        models = trained(paper, [Run(data, "vae_nvp", name) for name in objectives(paper)])
        found = {run.objective: measured(paper, m, x, samples) for run, m in models.items()}
        record[data] = found
    return None, record
