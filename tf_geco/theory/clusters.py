"""Which reconstruction vectors have merged."""

import numpy as np
import numpy.typing as npt

from tf_geco.theory.checks import Array


def merge(psi: npt.ArrayLike, distance: float) -> npt.NDArray[np.intp]:
    """Returns the cluster of each reconstruction vector.

    Two vectors are in one cluster if a chain of vectors, each within `distance` of the next, ties
    them.

    Args:
        psi: `[B, D]`.
        distance: In data units.

    Returns:
        `[B]`, cluster numbers from 0, in order of first appearance.

    Example:
        >>> from tf_geco.theory import merge
        >>> merge([[0.0], [0.1], [5.0]], distance=0.2).tolist()
        [0, 0, 1]
    """
    points = np.asarray(psi, dtype=np.float64)
    labels, clusters = np.full(len(points), -1, dtype=np.intp), 0
    for first in range(len(points)):
        if labels[first] >= 0:
            continue
        frontier = [first]
        labels[first] = clusters
        while frontier:
            gaps = np.linalg.norm(points - points[frontier.pop()], axis=1)
            reached = np.flatnonzero((gaps < distance) & (labels < 0))
            labels[reached] = clusters
            frontier.extend(reached.tolist())
        clusters += 1
    return labels


def cluster_centers(psi: npt.ArrayLike, distance: float) -> Array:
    """Returns the different fixed points among `psi`: the mean of each cluster of `merge`.

    Args:
        psi: `[B, D]`.
        distance: In data units, see `merge`.

    Returns:
        `[C, D]`.

    Example:
        >>> from tf_geco.theory import cluster_centers
        >>> cluster_centers([[0.0], [0.1], [5.0]], distance=0.2).tolist()
        [[0.05], [5.0]]
    """
    labels = merge(psi, distance)
    points = np.asarray(psi, dtype=np.float64)
    return np.stack([points[labels == c].mean(0) for c in range(labels.max() + 1)])
