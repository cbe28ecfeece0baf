"""Paths through a latent space: from one point to another, and along its axes."""

from collections.abc import Sequence

import numpy as np


def straight(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Returns points of the straight lines from a to b, `[B, d]` each, as `[B, steps, d]`.

        z(t) = (1 - t) a + t b,    t from 0 to 1

    Args:
        a: Where they begin.
        b: Where they end.
        steps: Number of points, both ends included.
    """
    t = np.linspace(0.0, 1.0, steps)[:, np.newaxis]
    return (1 - t) * a[:, np.newaxis] + t * b[:, np.newaxis]


def spherical(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Returns points of the arcs from a to b, `[B, d]` each, as `[B, steps, d]`.

        z(t) = [sin((1 - t) w) a + sin(t w) b] / sin w,    w: the angle between a and b

    N(0, I) in d dimensions lies near a sphere of radius sqrt(d). The middle of a straight line
    between two draws is at sqrt(d / 2), where the prior has next to nothing and the decoder has
    seen next to nothing; an arc stays as far out as its ends. Where a and b have one direction, or
    opposite ones, there is no such arc, and the line is straight.

    Args:
        a: Where they begin.
        b: Where they end.
        steps: Number of points, both ends included.

    Reference:
        Shoemake, "Animating rotation with quaternion curves", 1985; White, "Sampling generative
        networks", 2016, arXiv:1609.04468.
    """
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = np.sum(a * b, axis=1) / np.maximum(lengths, np.finfo(float).tiny)
    w = np.arccos(np.clip(cosine, -1.0, 1.0))[:, np.newaxis, np.newaxis]
    t = np.linspace(0.0, 1.0, steps)[:, np.newaxis]
    sine = np.sin(w)
    bent = (sine > 1e-3) & (lengths > 0.0)[:, np.newaxis, np.newaxis]
    sine = np.where(bent, sine, 1.0)
    arc = np.sin((1 - t) * w) / sine * a[:, np.newaxis] + np.sin(t * w) / sine * b[:, np.newaxis]
    return np.where(bent, arc, straight(a, b, steps))


def along_axes(point: np.ndarray, axes: Sequence[int], values: np.ndarray) -> np.ndarray:
    """Returns a point `[d]` with each of some coordinates at each of some values.

    Args:
        point: `[d]`.
        axes: k coordinates.
        values: `[S]`.

    Returns:
        `[k, S, d]`.
    """
    points = np.tile(np.asarray(point, float), (len(axes), len(values), 1))
    for row, axis in enumerate(axes):
        points[row, :, axis] = values
    return points
