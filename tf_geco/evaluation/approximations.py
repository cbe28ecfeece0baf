"""What data lose: by linear codes of few numbers, and by a blur of a given error."""

import numpy as np


def principal_components(rows: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mean of rows of data, variances, and the directions that have them.

    The variances are the eigenvalues of the covariance. Where there are fewer rows than columns
    they come from the inner products of rows, a smaller matrix with the same eigenvalues.

    Args:
        rows: `[n, D]`, in float64.
        most: How many directions to return.

    Returns:
        The mean, `[D]`; all r = min(n, D) variances, the largest first; and the orthonormal
        directions of the largest, `[min(r, most), D]`.

    Reference:
        Turk and Pentland, "Eigenfaces for recognition", 1991, for the smaller matrix.
    """
    mean = rows.mean(axis=0)
    centred = rows - mean
    count, size = rows.shape
    products = centred.T @ centred if size <= count else centred @ centred.T
    variances, vectors = np.linalg.eigh(products / count)
    directions = vectors.T[::-1][:most]
    if size > count:
        directions = directions @ centred
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        directions /= np.maximum(lengths, np.finfo(float).tiny)
    return mean, np.maximum(variances[::-1], 0.0), directions


def blur_to_error(images: np.ndarray, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns each image, blurred until its root-mean-square error is the one asked for.

    A Gaussian blur with mirrored borders multiplies the cosine transform of an image by

        exp(-w^2 (f_y^2 + f_x^2) / 2),    f = pi k / size

    so the error grows with the width w at every frequency but zero, and bisection finds w.

    Args:
        images: `[n, H, W, C]`, in float64.
        error: In units of the data; more than zero and less than each image's `contrast`.

    Returns:
        The blurred images, `[n, H, W, C]`, and the widths w of the blurs in pixels, `[n]`.
    """
    height, width = images.shape[1:3]
    rows, columns = _cosines(height), _cosines(width)
    spectrum = np.einsum("kh,nhwc,lw->nklc", rows, images, columns, optimize=True)
    squares = [(np.pi * np.arange(size) / size) ** 2 for size in (height, width)]
    frequency = np.add.outer(*squares)[:, :, np.newaxis]
    low, high = np.full(len(images), 1e-3), np.full(len(images), 1e2 * max(height, width))
    for _ in range(50):
        middle = np.sqrt(low * high)
        lost = -spectrum * np.expm1(-0.5 * np.multiply.outer(middle**2, frequency))
        too_much = np.sqrt(np.mean(lost**2, axis=(1, 2, 3))) > error
        low, high = np.where(too_much, low, middle), np.where(too_much, middle, high)
    return images - np.einsum("kh,nklc,lw->nhwc", rows, lost, columns, optimize=True), middle


def contrast(images: np.ndarray) -> np.ndarray:
    """Returns the error of images `[n, H, W, C]` without any detail left: the widest blur's."""
    return np.sqrt(np.mean((images - images.mean((1, 2), keepdims=True)) ** 2, axis=(1, 2, 3)))


def _cosines(size: int) -> np.ndarray:
    """Returns the orthonormal cosine transform (DCT-II), `[size, size]`: frequency, place."""
    frequency, place = np.ogrid[:size, :size]
    transform = np.cos(np.pi * frequency * (place + 0.5) / size) * np.sqrt(2 / size)
    transform[0] /= np.sqrt(2)
    return transform
