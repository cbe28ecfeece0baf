"""Figure 3: the way of one training by GECO through the information plane."""

import numpy as np
from training import Paper, Run, record, train_missing

from tf_geco import plotting


def make(paper: Paper) -> tuple:
    """Returns the figure, and the trajectory of a conditional ConvDRAW on mnist_rotate."""
    kappa = paper.preset.trajectory
    run = Run("mnist_rotate", "conv_draw", f"RE {kappa:g}")
    train_missing(paper, [run])
    way = record(paper, run)["trajectory"]
    figure = plotting.trajectory({k: np.asarray(v) for k, v in way.items()}, tolerance=kappa)
    return figure, way
