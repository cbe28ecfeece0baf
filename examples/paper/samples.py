"""Figures 6, 9, 10 and 11: data, reconstructions and samples under each objective."""

import matplotlib.pyplot as plt
from training import Paper, Run, available, examples, trained

import tf_geco

COLUMNS = 8
BLOCKS = {  # figure -> data set and objective of each block, left to right
    "figure_6": [
        ("celeb_a", "ELBO"),
        ("celeb_a", "RE 0.1"),
        ("celeb_a", "FRE 1.0"),
        ("color_mnist", "ELBO"),
        ("color_mnist", "RE {least}"),
    ],
    "figure_9": [("celeb_a", name) for name in ("ELBO", "annealed beta", "RE", "FRE 0.0625")],
    "figure_10": [("color_mnist", name) for name in ("ELBO", "annealed beta", "RE")],
    "figure_11": [
        ("cifar10", name) for name in ("ELBO", "annealed beta", "RE", "FRE 0.0625", "pNCC 0.8")
    ],
}


def runs(paper: Paper, figure: str) -> list[Run]:
    """Returns the trainings of a figure, on the data sets that are there."""
    there = available(paper, sorted({data for data, _ in BLOCKS[figure]}))
    kappas, found = paper.preset.tolerances, []
    for data, name in BLOCKS[figure]:
        names = [f"RE {kappa:g}" for kappa in kappas] if name == "RE" else [name]
        found += [Run(data, "conv_draw", n.format(least=min(kappas))) for n in names]
    return [run for run in found if run.data in there]


def make(paper: Paper, name: str) -> tuple:
    """Returns a block of images for each training of a figure, and what each model costs."""
    chosen = runs(paper, name)
    if not chosen:
        return None, {}
    models, record, wide = trained(paper, chosen), {}, min(3, len(chosen))
    high = -(-len(chosen) // wide)
    figure, axes = plt.subplots(
        high, wide, figsize=(4.6 * wide, 2.1 * high), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(chosen) :]:
        axis.set_visible(False)
    for axis, (run, model) in zip(axes.flat, models.items(), strict=False):
        record[f"{run.data}, {run.objective}"] = block(paper, run, model, axis)
    return figure, record


def block(paper: Paper, run: Run, model, axis) -> dict[str, float]:
    """Draws data, reconstructions and samples of a model, and returns its KL and error."""
    x, _ = examples(paper, run.data, paper.preset.measured)
    kl = tf_geco.evaluation.average_kl(model, x).value
    error = tf_geco.evaluation.optimal_sigma(model, x)
    shown = x[:COLUMNS]
    rows = {"data": shown, "reconstructions": model.reconstruct(shown, seed=paper.seed)}
    rows["samples"] = model.sample(COLUMNS, seed=paper.seed)
    tf_geco.plotting.samples_grid(rows, axes=axis)
    title = f"{run.data}, {run.objective}: {kl:.0f} nats, RMS error {error:.3f}"
    axis.set_title(title, fontsize="small")
    return {"kl": kl, "error": error}
