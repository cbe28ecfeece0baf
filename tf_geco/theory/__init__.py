"""The theory of "Taming VAEs", computable for a small data set.

What an infinitely flexible VAE would do: its reconstruction fixed points, the temperatures at which
clusters merge, what a Lipschitz decoder changes, and the limit that no trained model can beat.

The cost is `KL + |x - g(z)|^2 / (2 t)`, with squared errors summed over the values of a data point.
The temperature t is the variance of the decoder. The paper calls it beta in Sections 3.2 and 3.3;
elsewhere, in the paper and in this library, beta is the weight of the KL, 1 / lambda.

Reference:
    Rezende and Viola, "Taming VAEs", 2018, Sections 3.1-3.3, Appendices A-C.
"""

from tf_geco.theory.clusters import cluster_centers, merge
from tf_geco.theory.energy import Equipartition, equipartition, restriction_error
from tf_geco.theory.limit import RateDistortion, rate_distortion
from tf_geco.theory.lipschitz import (
    lipschitz_lagrangian,
    lipschitz_multipliers,
    lipschitz_projection,
    lipschitz_weights,
)
from tf_geco.theory.partitions import (
    TiledELBO,
    blurred_decoder,
    equiprobable_supports,
    tiled_elbo,
    tiled_posterior,
)
from tf_geco.theory.reconstructions import FixedPoints, fixed_points
from tf_geco.theory.smooth_reconstructions import largest_slope, lipschitz_fixed_points
from tf_geco.theory.tiles import tile_centers, tile_distances
from tf_geco.theory.transitions import (
    PhaseTransitions,
    first_critical_temperature,
    phase_transitions,
)

__all__ = [
    "Equipartition",
    "FixedPoints",
    "PhaseTransitions",
    "RateDistortion",
    "TiledELBO",
    "blurred_decoder",
    "cluster_centers",
    "equipartition",
    "equiprobable_supports",
    "first_critical_temperature",
    "fixed_points",
    "largest_slope",
    "lipschitz_fixed_points",
    "lipschitz_lagrangian",
    "lipschitz_multipliers",
    "lipschitz_projection",
    "lipschitz_weights",
    "merge",
    "phase_transitions",
    "rate_distortion",
    "restriction_error",
    "tile_centers",
    "tile_distances",
    "tiled_elbo",
    "tiled_posterior",
]
