"""Figures: arrays -> matplotlib figures, in the manner of the paper's."""

from tf_geco.plotting.images import samples_grid
from tf_geco.plotting.trajectory import trajectory

__all__ = ["samples_grid", "trajectory"]
