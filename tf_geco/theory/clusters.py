"""Which reconstruction vectors have merged."""

import numpy as np
import numpy.typing as npt

from tf_geco.theory.checks import Array


def merge(psi: npt.ArrayLike, distance: float) -> npt.NDArray[np.intp]:
    """Which cluster each reconstruction vector belongs to: chains of steps below `distance`.

    Args:
        psi: `[B, D]`.
        distance: two vectors closer than this are one, in data units.

    Returns:
        `[B]`, cluster numbers from 0, in order of first appearance.

    Example:
        >>> import numpy as np
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
    """The distinct fixed points among `psi`: the mean of each cluster of `merge`.

    Args:
        psi: `[B, D]`.
        distance: two vectors closer than this are one, in data units.

    Returns:
        `[C, D]`.

    Example:
        >>> import numpy as np
        >>> from tf_geco.theory import cluster_centers, merge
        >>> cluster_centers([[0.0], [0.1], [5.0]], distance=0.2).tolist()
        [[0.05], [5.0]]
    """
    labels = merge(psi, distance)
    points = np.asarray(psi, dtype=np.float64)
    return np.stack([points[labels == c].mean(0) for c in range(labels.max() + 1)])
