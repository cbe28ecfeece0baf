"""The information plane: how much a model compresses, against how well it reconstructs."""

from dataclasses import dataclass
from typing import Any

from tf_geco.checks import positive_number
from tf_geco.constraints import NegativeLogLikelihood
from tf_geco.evaluation.estimate import Estimate, per_example
from tf_geco.evaluation.likelihood import mean_nll, mean_squared_error, optimal_sigma


@dataclass(frozen=True)
class InformationPlane:
    """Where a model is in the information plane.

    Args:
        kl: Average KL, in nats per example.
        nll: Negative log-likelihood, in nats per pixel.
        reconstruction_error: RE, the mean squared error per pixel.
        sigma: Standard deviation of the likelihood, in units of the data; `None` for the model's
            own.
        standard_errors: Of `kl`, `nll` and `reconstruction_error`, in that order.
        count: Number of examples; errors and likelihoods are means over those with an observed
            value.
    """

    kl: float
    nll: float
    reconstruction_error: float
    sigma: float | None
    standard_errors: tuple[float, float, float]
    count: int


def information_plane(
    model: Any,
    data: Any,
    *,
    sigma: float | None = None,
    bin_width: float = 1 / 255,
    seed: int = 0,
    batch_size: int = 256,
    verbose: bool = False,
) -> InformationPlane:
    """Returns a model's average KL, its likelihood, and its reconstruction error.

    The likelihood is the model's own, if its objective has a `NegativeLogLikelihood`; otherwise a
    quantized normal at sigma_opt.

    Args:
        model: A latent variable model.
        data: Arrays or a data set, `(x, {"mask": mask})` where values are missing: the KL is that
            of zeros in their place, errors and likelihoods are per observed pixel of each example
            that has any. Weights are not used.
        sigma: Standard deviation of the likelihood; give `optimal_sigma(model, train)` to measure a
            test set as the paper does. By default the optimal one of `data` itself. A sigma makes
            the likelihood a quantized normal for any model.
        bin_width: Width of a bin of the quantized normal, 1/255 for 8-bit images in [0, 1]; a
            likelihood of the model's own has none.
        seed: Seed of z ~ q(z | x).
        batch_size: Number of examples at once.
        verbose: Whether to show progress.

    Returns:
        An `InformationPlane`.

    Raises:
        ValueError: If a number is not positive, the data are empty, or the model returns something
            that is not finite.

    Example:
    ```python
    sigma = tf_geco.evaluation.optimal_sigma(model, train)
    point = tf_geco.evaluation.information_plane(model, test, sigma=sigma)
    tf_geco.plotting.information_plane({"GECO": [point]})
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Figure 4 and Appendix D.
    """
    options: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
    bin_width = positive_number(bin_width, "bin_width")
    likelihood = getattr(model, "likelihood", None) if sigma is None else None
    if likelihood is None:
        sigma = optimal_sigma(model, data, **options) if sigma is None else sigma
        sigma = positive_number(sigma, "sigma")
    normal = () if sigma is None else (sigma, bin_width)
    measured = per_example(model, data, _terms, *normal, **options, partial=True)
    estimates = {name: Estimate.of(values) for name, values in measured.items()}
    kl, nll, error = estimates["kl"], estimates["nll"], estimates["reconstruction_error"]
    errors = (kl.standard_error, nll.standard_error, error.standard_error)
    return InformationPlane(kl.value, nll.value, error.value, sigma, errors, kl.count)


def _terms(model: Any, x: Any, mask: Any, outputs: dict, *normal: Any) -> dict[str, Any]:
    """Returns KL, error, and the NLL by a quantized normal, or by the model's own likelihood."""
    target, mean = model.target(x), outputs["reconstruction"]
    own = None if normal else _own_nll(model.likelihood, target, mask, outputs)
    return {
        "kl": outputs["kl"],
        "nll": mean_nll(target, mean, normal, mask) if normal else own,
        "reconstruction_error": mean_squared_error(target, mean, mask),
    }


def _own_nll(likelihood: Any, x: Any, mask: Any, outputs: dict) -> Any:
    """Returns the NLL per observed value by a likelihood, `[B]`."""
    own = NegativeLogLikelihood(None, likelihood, unit="nats_per_dim")
    values, counts = own(x, None if mask is None else {"mask": mask}, outputs)
    return values if counts is None else (values, counts)
