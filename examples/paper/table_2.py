"""Table 2: the marginal KL of VAE + NVP, by ELBO and by GECO: what is left of holes."""

from figure_4 import objectives
from training import Paper, Run, available, examples, trained

from tf_geco import evaluation

DATA = ("cifar10", "color_mnist")


def make(paper: Paper) -> tuple:
    """Returns no figure, and marginal and average KL of each objective, on training images."""
    samples, count = paper.preset.marginal
    names = [name for name in DATA if name in paper.preset.unconditional]
    record = {}
    for data in available(paper, names):
        x, _ = examples(paper, data, count)
        models = trained(paper, [Run(data, "vae_nvp", name) for name in objectives(paper)])
        record[data] = {run.objective: measured(m, x, samples) for run, m in models.items()}
    return None, record


def measured(model, x, samples: int) -> dict[str, float]:
    """Returns the figures of a model."""
    marginal = evaluation.marginal_kl(model, x, samples)
    return {
        "marginal kl": marginal.value,
        "standard error": marginal.standard_error,
        "average kl": evaluation.average_kl(model, x).value,
        "error": evaluation.optimal_sigma(model, x),
    }
