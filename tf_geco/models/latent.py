"""Latent variable models: the contract that evaluation, callbacks and export rely on."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.models.constrained import ConstrainedModel
from tf_geco.models.unit_range import first_examples, warn_outside_unit_range
from tf_geco.objectives import Objective
from tf_geco.replicas import next_seed


class LatentVariableModel(ConstrainedModel):
    """A model with latents, whose cost is the KL of their posterior from their prior.

    A subclass writes `call`, which returns a dictionary with

        "reconstruction"    [B, ...], like the data
        "kl"                [B], in nats
        "latents"           [B, ...], or a list of them

    and `encode`, `decode`, `sample`. All else follows: training, reconstruction, export.

    Args:
        objective: A `tf_geco.GECO` or `tf_geco.ELBO`.
        seed: Seed of the model's noise, an integer, or `None` for one that
            `keras.utils.set_random_seed` determines.
    """

    cost_name = "kl"

    def __init__(self, objective: Objective, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(objective, **kwargs)
        self.seed = seed
        self._warned_of_range = False
        self.seed_generator = keras.random.SeedGenerator(seed)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains, as `keras.Model.fit`; warns once if images are not in [0, 1]."""
        examples = None if self._warned_of_range else first_examples(x)
        if examples is not None:
            self._warned_of_range = warn_outside_unit_range(self.target(examples))
        return super().fit(x, *args, **kwargs)

    def cost(self, x: Any, y: Any, outputs: dict) -> tf.Tensor:
        """Returns the KL of each example in nats, `[B]`."""
        return outputs["kl"]

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

    def make_seed(self, seed: int | None) -> tf.Tensor:
        """Returns an int32[2] seed: of the number given, or the next of the model's own."""
        if seed is None:
            return next_seed(self.seed_generator)
        return tf.stack([0, tf.cast(seed, tf.int32)])

    def save_own_variables(self, store: Any) -> None:
        """Saves the state of the noise too, which Keras does not: training resumes exactly."""
        super().save_own_variables(store)
        store["seed_state"] = self.seed_generator.state.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Restores what `save_own_variables` saved."""
        self.seed_generator.state.assign(store["seed_state"])
        own = [name for name in store.keys() if name != "seed_state"]  # noqa: SIM118
        super().load_own_variables({name: store[name] for name in own})

    def endpoints(self) -> dict[str, tuple]:
        """Returns the functions that `export` saves: name -> (function, input signature)."""
        data = tf.TensorSpec(self.data_shape, tf.float32, name="x")
        latents = tf.TensorSpec(self.latents_shape, tf.float32, name="latents")
        number = tf.TensorSpec([], tf.int32, name="n")
        return {
            "serving_default": (self.reconstruct, [data]),
            "encode": (self.encode, [data]),
            "decode": (self.decode, [latents]),
            "sample": (self.sample, [number]),
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
