"""Which tolerance should I ask for? What each reconstruction error means on a data set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_geco.checks import positive_integer, positive_number
from tf_geco.evaluation.approximations import blur_to_error, contrast, principal_components
from tf_geco.evaluation.sampled import filled, sampled
from tf_geco.training.watch import outside_unit_range, warn_outside_unit_range

PAPER = (0.175, 0.125, 0.1, 0.08, 0.06)
ROUNDING = 1 / (255 * math.sqrt(12))
COMPONENTS = (2, 8, 32, 128, 512)


@dataclass(frozen=True, eq=False)
class ToleranceGuide:
    """What each reconstruction error means on a data set; `print` shows it as a table.

    Errors are root mean squares over observed values and examples, the unit of
    `ReconstructionError`'s tolerance. With K linear codes, T tolerances and n examples to look at:

    Args:
        components: Numbers of principal components, `[K]`; the first is 0, the mean of the data.
        errors: What so many components miss, `[K]`.
        tolerances: The errors asked about, `[T]`, the largest first.
        needed: The number of components that reaches each, `[T]`.
        rounding: The error that 8-bit images have from their rounding, for images in [0, 1].
        examples: Examples of low, medium and high contrast, `[n, ...]`, missing values filled in.
        projections: The examples by so many components, `[K, n, ...]`.
        blurred: The examples blurred to each tolerance, `[T, n, H, W, C]`; empty but for images.
        widths: The widths of those blurs, in pixels, `[T, n]`.
        count: Number of examples that the errors are means over.
    """

    components: tuple[int, ...]
    errors: tuple[float, ...]
    tolerances: tuple[float, ...]
    needed: tuple[int, ...]
    rounding: float | None
    examples: np.ndarray
    projections: np.ndarray
    blurred: np.ndarray
    widths: np.ndarray
    count: int

    def rows(self) -> list[tuple[float, str]]:
        """Returns pairs of an error and what it means, the largest error first."""
        rows = [(self.errors[0], "the mean of the data, which costs no KL")]
        names = [f"PCA with {number} components" for number in self.components[1:]]
        rows += zip(self.errors[1:], names, strict=True)
        for index, (tolerance, needed) in enumerate(zip(self.tolerances, self.needed, strict=True)):
            meaning = f"* PCA needs {needed} components"
            if len(self.widths):
                least, most = self.widths[index].min(), self.widths[index].max()
                meaning += f", a Gaussian blur is {least:.1f} to {most:.1f} pixels wide"
            rows.append((tolerance, meaning))
        if self.rounding is not None:
            rows.append((self.rounding, "the rounding of 8-bit images"))
        return sorted(rows, key=lambda row: -row[0])

    def __str__(self) -> str:
        """Returns the table; a star marks the tolerances."""
        shape = " x ".join(map(str, self.examples.shape[1:]))
        head = f"RMS error  meaning, on {self.count} examples of {shape}"
        return "\n".join([head, *(f"{error:9.4f}  {meaning}" for error, meaning in self.rows())])


def tolerance_guide(
    data: Any,
    tolerances: Sequence[float] | None = None,
    *,
    max_examples: int = 5000,
    seed: int = 0,
) -> ToleranceGuide:
    """Returns what each reconstruction error means on a data set.

    PCA, the best linear code, with k components misses the smallest variances of the data:

        RMSE(k) = sqrt((l_{k+1} + ... + l_D) / D),    l_1 >= ... >= l_D: eigenvalues of covariance

    RMSE(0) is the error of the mean, at a KL of 0: ask for less. RMSE(d) is the least that linear
    networks of d latents reach; deep networks can do better. Below the rounding of 8-bit images
    there is only noise to encode.

    Missing values are filled with the mean of what is observed at the same place (0, if nothing
    is), which adds no variance, and all variance is divided by the share s of the values that is
    observed:

        RMSE(k) = sqrt((l_{k+1} + ... + l_D) / (s D))

    For k = 0 that is the error per observed value, which is that of a constraint, a mean over
    examples, where examples have about as many observed values. For k > 0 it bounds it from above,
    since it counts what the codes miss of the filled values too.

    Args:
        data: Arrays `[N, ...]`, `(x, y)`, or a `tf.data.Dataset` of batches, as for `fit`; of
            `{"context", "target"}` the target. Floats, in the unit of the tolerance. y may have a
            mask of what is observed, `{"mask": mask}`. Weights are not used.
        tolerances: Errors to ask about, to which images are blurred. By default those of the paper,
            0.06 to 0.175, that a blur of these data can have.
        max_examples: Of more examples than that, a uniform sample is used. Memory is a few times
            that of the sample; 5,000 digits determine all errors up to PCA with 128 components
            within 2 %.
        seed: Seed of the sample.

    Returns:
        A `ToleranceGuide`: `print` it, and draw it by `tf_geco.plotting.tolerance_guide`.

    Raises:
        ValueError: If there are fewer than two examples, they are not finite floats, a mask is not
            as constraints want it, or a tolerance is not positive or too large to be reached by a
            blur.

    Example:
    ```python
    guide = tf_geco.tolerance_guide(images)
    print(guide)
    tf_geco.plotting.tolerance_guide(guide)
    ```

    Reference:
        Pearson, "On lines and planes of closest fit", 1901; Rezende and Viola, "Taming VAEs", 2018.
    """
    x = sampled(data, positive_integer(max_examples, "max_examples"), seed)
    is_images = x.ndim == 4
    outside = float(outside_unit_range(x)) if is_images else 0.0
    if outside:
        warn_outside_unit_range(outside)
    in_unit_range = is_images and not outside
    x, share = filled(x)
    flat = x.reshape(len(x), -1).astype(np.float64)
    chosen = _at_quartiles(flat.std(axis=1))
    examples = x[chosen].astype(np.float64)
    errors, components, projections = _linear_codes(flat, chosen, share)
    limit = min(errors[0], *contrast(examples)) if is_images else errors[0]
    asked = _tolerances(tolerances, limit)
    blurs = [blur_to_error(examples, tolerance) for tolerance in asked] if is_images else []
    return ToleranceGuide(
        components=components,
        errors=tuple(float(errors[k]) for k in components),
        tolerances=asked,
        needed=tuple(int(np.argmax(errors <= tolerance)) for tolerance in asked),
        rounding=ROUNDING if in_unit_range else None,
        examples=examples,
        projections=projections.reshape(-1, *examples.shape),
        blurred=np.array([images for images, _ in blurs]),
        widths=np.array([widths for _, widths in blurs]),
        count=len(x),
    )


def _linear_codes(
    flat: np.ndarray, chosen: np.ndarray, share: float
) -> tuple[np.ndarray, tuple[int, ...], np.ndarray]:
    """Returns the error of PCA with any number of components, and some examples by a few numbers.

    Args:
        flat: Data, `[N, D]`.
        chosen: Positions of n examples.
        share: Of the values, how many are observed.

    Returns:
        Errors by number of components, `[r + 1]`; K numbers, those that leave an error; and the
        examples with so many, `[K, n, D]`.
    """
    mean, variances, directions = principal_components(flat, COMPONENTS[-1])
    errors = np.sqrt(np.append(variances[::-1].cumsum()[::-1], 0.0) / (share * flat.shape[1]))
    left = [k for k in COMPONENTS if k < len(errors) and errors[k] > 1e-6 * errors[0]]
    codes = (flat[chosen] - mean) @ directions.T
    projections = [mean + codes[:, :k] @ directions[:k] for k in (0, *left)]
    return errors, (0, *left), np.array(projections)


def _at_quartiles(values: np.ndarray) -> np.ndarray:
    """Returns the places of the first, second and third quartile of values."""
    count = len(values)
    return np.argsort(values, kind="stable")[np.unique([count // 4, count // 2, 3 * count // 4])]


def _tolerances(tolerances: Sequence[float] | None, limit: float) -> tuple[float, ...]:
    """Returns the tolerances, the largest first; those of the paper as far as they are in reach."""
    if tolerances is None:
        return tuple(tolerance for tolerance in PAPER if tolerance < limit)
    found = sorted(
        (positive_number(tolerance, "tolerances") for tolerance in tolerances), reverse=True
    )
    if found and found[0] >= limit:
        raise ValueError(
            f"`tolerances` must be below {limit:.4g}, the error of an example without any detail. "
            f"Received: tolerances={list(tolerances)}."
        )
    return tuple(found)
