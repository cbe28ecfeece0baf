"""Figure 8: the posteriors of seven digits in a plane, by ELBO and under RE and CLA constraints."""

import matplotlib.pyplot as plt
from training import Paper, Run, examples, measured, trained

import tf_geco

OBJECTIVES = {
    "ELBO": "ELBO, beta = 1",
    "RE 0.05": "RE, kappa = 0.05",
    "RE 0.5": "RE, kappa = 0.5",
    "CLA 0.9": "CLA, kappa = 0.9",
}


def make(paper: Paper) -> tuple:
    """Returns the figure, and what each model spends and leaves uncovered."""
    models = trained(paper, [Run("micro_mnist", "micro", name) for name in OBJECTIVES])
    digits, _ = examples(paper, "micro_mnist", 7, size=7)  # each of them once
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.7), layout="constrained")
    record = {}
    for axis, (run, model) in zip(axes, models.items(), strict=True):
        samples = model.posterior(digits).sample(100, seed=paper.seed)
        found = measured(paper, model, digits, paper.preset.marginal[0] * 4)
        record[run.objective] = found
        title = f"{OBJECTIVES[run.objective]}\nmarginal KL {found['marginal kl']:.2f} nats"
        tf_geco.plotting.latent_scatter(samples, limit=4.5, title=title, axes=axis)
    return figure, record
