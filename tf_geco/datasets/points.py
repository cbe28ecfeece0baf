"""Two-dimensional point sets: mixtures of lines and of circles, for the theory's figures."""

import numpy as np

from tf_geco.checks import non_negative_number, positive_integer
from tf_geco.datasets.pipelines import Rows, rows_of


def mixture_of_lines(
    split: str, *, seed: int = 0, components: int = 4, size: int = 1_000, noise: float = 0.02
) -> Rows:
    """Points near line segments in [-1, 1]^2: `(point [B, 2], component [B])`.

    Args:
        split: `"train"` or `"test"`: other points near the same segments.
        seed: Seed of the segments and of the points.
        components: Number of segments, with ends drawn uniformly.
        size: Number of points.
        noise: Standard deviation of the distance to the segment.
    """
    components, size = _checked(components, size, noise)
    ends = np.random.default_rng(seed).uniform(-0.9, 0.9, (components, 2, 2))
    random = np.random.default_rng([seed, split == "test"])
    component = np.arange(size) % components
    along = random.uniform(size=(size, 1))
    points = (1 - along) * ends[component, 0] + along * ends[component, 1]
    return _points(points, component, noise, random)


def mixture_of_circles(
    split: str, *, seed: int = 0, components: int = 3, size: int = 1_000, noise: float = 0.02
) -> Rows:
    """Points near circles in [-1, 1]^2: `(point [B, 2], component [B])`.

    Args:
        split: `"train"` or `"test"`: other points near the same circles.
        seed: Seed of the circles and of the points.
        components: Number of circles, with radii between 0.15 and 0.4.
        size: Number of points.
        noise: Standard deviation of the distance to the circle.
    """
    components, size = _checked(components, size, noise)
    geometry = np.random.default_rng(seed)
    centre = geometry.uniform(-0.6, 0.6, (components, 2))
    radius = geometry.uniform(0.15, 0.4, (components, 1))
    random = np.random.default_rng([seed, split == "test"])
    component = np.arange(size) % components
    angle = random.uniform(0, 2 * np.pi, (size, 1))
    direction = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    points = centre[component] + radius[component] * direction
    return _points(points, component, noise, random)


def _points(
    points: np.ndarray, component: np.ndarray, noise: float, random: np.random.Generator
) -> Rows:
    """Returns points moved by some noise, with their components."""
    noisy = points + noise * random.standard_normal(points.shape)
    return rows_of(noisy.astype(np.float32), component)


def _checked(components: int, size: int, noise: float) -> tuple[int, int]:
    """Returns `components` and `size`, if these and `noise` are valid."""
    non_negative_number(noise, "noise")
    return positive_integer(components, "components"), positive_integer(size, "size")
