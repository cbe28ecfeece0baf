"""Figures: arrays -> matplotlib figures, in the manner of the paper's."""

from tf_geco.plotting.images import samples_grid
from tf_geco.plotting.information_plane import information_plane
from tf_geco.plotting.latents import latent_scatter
from tf_geco.plotting.trajectory import trajectory

__all__ = ["information_plane", "latent_scatter", "samples_grid", "trajectory"]
