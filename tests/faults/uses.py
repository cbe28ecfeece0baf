"""Subjects of the fuzz: what is made of arguments, and the training that it is used in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

import tf_geco
from tests.constraints.cases import brightness
from tests.faults import made
from tests.faults import values as v
from tf_geco import constraints, posteriors


@dataclass(frozen=True)
class Subject:
    """A public class or function, and what it can be given.

    Args:
        make: Keyword arguments -> what is made of them.
        use: Trains what was made for two steps, then saves and loads it.
        arguments: A strategy for each argument.
        base: Makes the arguments that are given where the fuzz gives none.
    """

    make: Callable
    use: Callable
    arguments: dict[str, st.SearchStrategy]
    base: Callable[[], dict] = dict


def under(constraint: Any) -> None:
    """Trains under a constraint, or a list of several."""
    several = constraint if isinstance(constraint, list) else [constraint]
    cost = v.error() if isinstance(constraint, constraints.KLDivergence) else None
    made.labelled(made.vae(tf_geco.GECO(several, cost=cost)))


def by(rule: Any) -> None:
    made.labelled(made.vae(tf_geco.GECO([v.error()], rule=rule)))


def of(objective: Any) -> None:
    made.labelled(made.vae(objective))


def with_posterior(posterior: Any) -> None:
    made.labelled(made.vae(parts=made.networks(posterior.latent_dim), posterior=posterior))


def with_networks(parts: tuple) -> None:
    made.labelled(made.vae(parts=parts), made.images(parts[0].input_shape[1:]))


def with_features(features: Any) -> None:
    under(constraints.FeatureReconstructionError(0.1, features))


def as_prior(prior: Any) -> None:
    made.labelled(made.vae(prior=prior, parts=made.networks(prior.latent_dim)))


def images_of(model: Any) -> None:
    shape = getattr(model, "image_shape", made.IMAGES)
    made.labelled(model, made.images(shape))


def classified(network: Any) -> None:
    """Trains a preset classifier for two steps, and measures with it."""
    x = made.images(network.input_shape[1:])
    network.run_eagerly = True
    network.fit(x, made.labels(), batch_size=2, verbose=0)
    measured = tf_geco.GECO([constraints.ClassificationAccuracy(0.5, network)])
    made.labelled(made.vae(measured, made.networks(shape=x.shape[1:])), x)


def fitted(arguments: dict) -> None:
    """Trains a small VAE on data of any shape and type, with whatever goes beside them."""
    made.trained(made.vae(), arguments.pop("x"), arguments.pop("y", None), **arguments)


def given(**makers: Callable) -> Callable[[], dict]:
    """Returns what makes the arguments that a subject cannot do without."""
    return lambda: {name: make() for name, make in makers.items()}


def tolerance(value: float, **makers: Callable) -> Callable[[], dict]:
    return given(tolerance=lambda: value, **makers)


def parts() -> dict:
    encoder, decoder = made.networks()
    rest = {"posterior": posteriors.DiagonalNormal(3), "objective": made.geco()}
    return {"encoder": encoder, "decoder": decoder, **rest}


def between(**arguments: Any) -> Any:
    return constraints.between(brightness, **arguments)
