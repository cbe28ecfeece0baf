"""Figure 1: posteriors that overlap blur, and where there is none there is a hole."""

import numpy as np
from training import Paper

from tf_geco import plotting, theory

POINTS = np.array([[0.0, 0.2], [1.0, 0.0], [0.8, 1.0], [0.1, 0.9]])
PATCHES = [(-0.22, 0.22, 0.27), (0.08, 0.2, 0.24), (0.25, -0.2, 0.2), (-0.24, -0.22, 0.24)]
GRID = (60, 60)  # x, y and radius of each patch lie in the box [-1/2, 1/2]^2


def make(paper: Paper) -> tuple:
    """Returns the figure, and what overlapping patches and a tiling cost."""
    centers = theory.tile_centers(GRID)
    supports = np.stack([((centers - p[:2]) ** 2).sum(1) < p[2] ** 2 for p in np.array(PATCHES)])
    mass = np.full(len(centers), 1 / len(centers))
    decoder = theory.blurred_decoder(POINTS, supports, mass)
    tiling = theory.equiprobable_supports(len(POINTS), len(centers))
    record = {}
    for name, patches in (("overlapping", supports), ("equiprobable tiling", tiling)):
        found = theory.tiled_elbo(POINTS, patches, mass, temperature=0.05)
        record[name] = {"elbo": float(found.elbo), "kl": float(found.kl)}
    figure = plotting.blur_and_holes(
        POINTS,
        supports.reshape(-1, *GRID).transpose(0, 2, 1),
        decoder.reshape(*GRID, 2).transpose(1, 0, 2),
    )
    return figure, record
