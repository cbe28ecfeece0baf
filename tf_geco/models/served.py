"""What a model serves without tf_geco: the signatures of a SavedModel."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.training import ObjectiveModel

Endpoint = tuple[Callable, list[tf.TensorSpec]]


class Served(ObjectiveModel):
    """A model that can be exported: a folder that serves with TensorFlow alone."""

    def endpoints(self) -> dict[str, Endpoint]:
        """Returns the functions that `export` saves: name -> (function, input signature).

        A function takes what its signature lists, by these names, and returns a dictionary of
        tensors: the names of the outputs. A subclass adds its own:

        ```python
        class Monitor(tf_geco.VAE):
            def endpoints(self):
                x = tf.TensorSpec(self.data_shape, tf.float32, name="x")
                mask = tf.TensorSpec(self.data_shape, tf.bool, name="mask")
                score = lambda x, mask: self.score_batch(x, {"mask": mask})
                return {**super().endpoints(), "score_observed": (score, [x, mask])}
        ```
        """
        data = tf.TensorSpec(self.data_shape, tf.float32, name="x")
        latents = tf.TensorSpec(self.latents_shape, tf.float32, name="latents")
        number = tf.TensorSpec([], tf.int32, name="n")
        return {
            "serving_default": (
                naming(with_fresh_noise(self.reconstruct), "reconstruction"),
                [data],
            ),
            "encode": (naming(with_fresh_noise(self.encode), "latents"), [data]),
            "encode_mean": (naming(self.encode_mean, "latents"), [data]),
            "decode": (naming(self.decode, "reconstruction"), [latents]),
            "sample": (naming(with_fresh_noise(self.sample), "samples"), [number]),
            "score": (self.score_batch, [data]),
        }

    def export(self, filepath: str, **kwargs: Any) -> None:
        """Writes a SavedModel that serves without tf_geco, Keras or TensorFlow Probability.

        | signature | inputs | outputs |
        | --- | --- | --- |
        | `serving_default` | `x` | `reconstruction`, from a sample of the latents |
        | `encode` | `x` | `latents`, a sample |
        | `encode_mean` | `x` | `latents`, their mean: no noise |
        | `decode` | `latents` | `reconstruction` |
        | `sample` | `n` | `samples` |
        | `score` | `x` | `kl`, and each constraint by its name, `[B]`; see `score` |

        A conditional model takes `context` and `target` for `x`, and a `context` to decode and to
        sample. A model of a range takes a `tolerance` beside the inputs of each. `score` is left
        out, with a warning, where a constraint needs labels. `endpoints`
        says how a subclass adds its own.

        Args:
            filepath: Folder to write.
            **kwargs: Passed to `keras.export.ExportArchive.write_out`.

        Raises:
            ValueError: If the model is not built yet.

        Example:
        ```python
        model.export("vae_savedmodel")
        served = tf.saved_model.load("vae_savedmodel")
        drawn = served.signatures["sample"](n=tf.constant(16))["samples"]
        ```
        """
        if not self.built:
            raise ValueError(
                "The model has no weights yet. Train it, or call it on a batch, before `export`."
            )
        kwargs.setdefault("verbose", False)
        archive = keras.export.ExportArchive()
        archive.track(self)
        for name, (function, signature) in _traceable(self.endpoints()).items():
            archive.add_endpoint(name, function, input_signature=signature)
        archive.write_out(filepath, **kwargs)


def naming(function: Callable, name: str) -> Callable:
    """Returns a function whose result is an output with a name: `{name: result}`."""
    return lambda *inputs, **options: {name: function(*inputs, **options)}


def with_fresh_noise(function: Callable) -> Callable:
    """Returns a function of a served model, that draws its own seed in each call.

    The state of a generator is read and written by different operations, between which another
    thread of a server may read it too.
    """

    def drawn(*inputs: Any, **options: Any) -> Any:
        seed = tf.random.uniform([], maxval=tf.int32.max, dtype=tf.int32)
        return function(*inputs, seed=seed, **options)

    return drawn


def _traceable(endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
    """Returns the endpoints without `score`, if constraints need labels that it has not."""
    if "score" not in endpoints:
        return endpoints
    function, signature = endpoints["score"]
    try:
        tf.function(function).get_concrete_function(*signature)
    except Exception as error:  # whatever a constraint of a user's own makes of missing labels
        warnings.warn(
            "The SavedModel has no signature `score`, which takes data alone: no constraint that "
            f"needs labels can be in it, nor what no graph can hold. Received: {error}",
            stacklevel=3,
        )
        return {name: endpoint for name, endpoint in endpoints.items() if name != "score"}
    return endpoints
