"""Latent variable models: the contract that evaluation, callbacks and export rely on."""

import threading
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import seed_number
from tf_geco.objectives import Objective
from tf_geco.strategies import next_seed
from tf_geco.training import ObjectiveModel

# Two threads that read the state of one generator at once would draw the same noise.
DRAWING = threading.Lock()


class LatentVariableModel(ObjectiveModel):
    """A model with latents, whose cost is the KL of their posterior from their prior.

    A subclass writes `call`, which returns a dictionary with

        "reconstruction"    [B, ...], like the data
        "kl"                [B], in nats
        "latents"           [B, ...], or a list of them

    and `encode`, `decode`, `sample`. All else follows: training, reconstruction, export. Its
    `build` sets `data_shape` and `latents_shape`, each with the batch as `None`.

    Training draws its noise from one generator, everything else from another, so that nobody who
    looks at a model changes its next step.

    Args:
        objective: A `tf_geco.GECO` or `tf_geco.ELBO`.
        seed: Seed of the model's noise, an integer, or `None` for one that
            `keras.utils.set_random_seed` determines.
    """

    cost_name = "kl"
    data_shape: tuple | None = None

    def __init__(self, objective: Objective, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(objective, **kwargs)
        self.seed = None if seed is None else seed_number(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.inference_seed_generator = keras.random.SeedGenerator(self.seed)

    def cost(self, x: Any, y: Any, outputs: dict) -> tf.Tensor:
        """Returns the KL of each example in nats, `[B]`."""
        return outputs["kl"]

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, tf.Tensor]:
        """Updates the compiled metrics, which compare the reconstruction with its target.

        Raises:
            ValueError: If values are missing, which metrics cannot leave out.
        """
        if isinstance(y, dict) and "mask" in y:
            raise ValueError(
                "Metrics given to `compile` cannot leave out missing values: compile without them; "
                "constraints log what they measure. Received: y['mask'] and compiled metrics."
            )
        return super().compute_metrics(x, self.target(x), y_pred["reconstruction"], sample_weight)

    base_metrics = compute_metrics

    def check_input(self, x: Any) -> None:
        """Raises an error if data are no numbers, or not of the shape of the model's."""
        target = self.target(x)
        if not hasattr(target, "shape"):
            raise ValueError(
                f"This model takes an array, data of shape {self.data_shape}. "
                f"Received: data of type {type(target).__name__}."
            )
        dtype = tf.as_dtype(target.dtype)
        if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
            raise ValueError(f"This model takes real numbers. Received: data of {dtype.name}.")
        shape = target.shape
        if self.data_shape is not None and not shape.is_compatible_with(self.data_shape):
            raise ValueError(
                f"This model is built for data of shape {self.data_shape}. "
                f"Received: data of shape {tuple(shape)}."
            )

    def images(self, x: Any) -> tf.Tensor | None:
        """Returns the target, if it has the rank of images."""
        target = self.target(x)
        return target if target.shape.rank == 4 else None

    def look(self) -> None:
        """Tells people what training saw: batches left out, images that are not in [0, 1]."""
        super().look()
        self.watch.check_range()

    def encode(self, x: Any, seed: int | None = None) -> Any:
        """Returns a sample of the latents of `x`."""
        raise NotImplementedError(f"{type(self).__name__} must define `encode(x, seed)`.")

    def decode(self, latents: Any) -> tf.Tensor:
        """Returns the reconstruction that latents stand for."""
        raise NotImplementedError(f"{type(self).__name__} must define `decode(latents)`.")

    def sample(self, n: int, seed: int | None = None) -> tf.Tensor:
        """Returns `n` new examples, from the prior."""
        raise NotImplementedError(f"{type(self).__name__} must define `sample(n, seed)`.")

    def reconstruct(self, x: Any, seed: int | None = None) -> tf.Tensor:
        """Returns the data as the model reconstructs it, from a sample of its latents.

        Args:
            x: Data, `[B, ...]`.
            seed: An integer for the same noise each time, or `None` for fresh noise.
        """
        return self.decode(self.encode(x, seed))

    def make_seed(self, seed: int | None, training: bool = False) -> tf.Tensor:
        """Returns an int32[2] seed: of the number given, or the next of the model's own."""
        if seed is None:
            with DRAWING:
                return next_seed(self.seed_generator if training else self.inference_seed_generator)
        return tf.stack([0, tf.cast(seed, tf.int32)])

    def endpoints(self) -> dict[str, tuple]:
        """Returns the functions that `export` saves: name -> (function, input signature)."""
        data = tf.TensorSpec(self.data_shape, tf.float32, name="x")
        latents = tf.TensorSpec(self.latents_shape, tf.float32, name="latents")
        number = tf.TensorSpec([], tf.int32, name="n")
        return {
            "serving_default": (with_fresh_noise(self.reconstruct), [data]),
            "encode": (with_fresh_noise(self.encode), [data]),
            "decode": (self.decode, [latents]),
            "sample": (with_fresh_noise(self.sample), [number]),
        }

    def export(self, filepath: str, **kwargs: Any) -> None:
        """Writes a SavedModel that serves without tf_geco, Keras or TensorFlow Probability.

        Its signatures are `serving_default` (reconstruct), `encode`, `decode` and `sample`; the
        last takes the number of samples.

        Args:
            filepath: Folder to write.
            **kwargs: Passed to `keras.export.ExportArchive.write_out`.

        Raises:
            ValueError: If the model is not built yet.

        Example:
        ```python
        model.export("vae_savedmodel")
        served = tf.saved_model.load("vae_savedmodel")
        images = served.signatures["sample"](n=tf.constant(16))
        ```
        """
        if not self.built:
            raise ValueError(
                "The model has no weights yet. Train it, or call it on a batch, before `export`."
            )
        kwargs.setdefault("verbose", False)
        archive = keras.export.ExportArchive()
        archive.track(self)
        for name, (function, signature) in self.endpoints().items():
            archive.add_endpoint(name, function, input_signature=signature)
        archive.write_out(filepath, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "seed": self.seed}


def with_fresh_noise(function: Callable) -> Callable:
    """Returns a function of a served model, that draws its own seed in each call.

    The state of a generator is read and written by different operations, between which another
    thread of a server may read it too.
    """

    def drawn(*inputs: Any) -> Any:
        return function(*inputs, seed=tf.random.uniform([], maxval=tf.int32.max, dtype=tf.int32))

    return drawn
