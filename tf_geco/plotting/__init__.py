"""Figures: arrays -> matplotlib figures, in the manner of the paper's."""

from tf_geco.plotting.fixed_points import (
    draw_fixed_points,
    lipschitz_fixed_points,
    phase_transitions,
)
from tf_geco.plotting.guide import nll_guide, tolerance_guide
from tf_geco.plotting.images import latent_paths, samples_grid
from tf_geco.plotting.latents import latent_map, latent_scatter
from tf_geco.plotting.partitions import blur_and_holes
from tf_geco.plotting.plane import draw_limit, information_plane
from tf_geco.plotting.tradeoff import rate_distortion
from tf_geco.plotting.training import trajectory

__all__ = [
    "blur_and_holes",
    "draw_fixed_points",
    "draw_limit",
    "information_plane",
    "latent_map",
    "latent_paths",
    "latent_scatter",
    "lipschitz_fixed_points",
    "nll_guide",
    "phase_transitions",
    "rate_distortion",
    "samples_grid",
    "tolerance_guide",
    "trajectory",
]
