"""Latent variable models: the contract that evaluation, callbacks and export rely on."""

import threading
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.checks import positive_integer, seed_number
from tf_geco.models.generation import generated
from tf_geco.models.mistakes import refuse_only_kl, warn_of_unread_labels
from tf_geco.models.paths import along_axes, spherical, straight
from tf_geco.models.served import Served
from tf_geco.objectives import Objective
from tf_geco.strategies import next_seed
from tf_geco.training.batch import Batch, check_data, with_shapes
from tf_geco.training.objective_model import Terms

TRAVERSED = np.linspace(-2.5, 2.5, 11)

# Two threads that read the state of one generator at once would draw the same noise.
DRAWING = threading.Lock()


class LatentVariableModel(Served):
    """A model with latents, whose cost is the KL of their posterior from their prior.

    A subclass writes `call`, which returns a dictionary with

        "reconstruction"    [B, ...], like the data
        "kl"                [B], in nats
        "latents"           [B, ...], or a list of them

    and `encode`, `encode_mean`, `decode`, `sample`; all else follows. Its `build` sets `data_shape`
    and `latents_shape`, each with the batch as `None`.

    Training draws its noise from one generator, everything else from another, so that nobody who
    looks at a model changes its next step.

    Args:
        objective: A `tf_geco.GECO` or `tf_geco.ELBO`.
        seed: Of the model's noise, an integer; by default `keras.utils.set_random_seed` decides.
    """

    cost_name = "kl"
    data_shape: tuple | None = None
    latents_shape: Any = None

    def __init__(self, objective: Objective, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(objective, **kwargs)
        refuse_only_kl(objective, is_cost=type(self).cost is LatentVariableModel.cost)
        self.seed = None if seed is None else seed_number(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.inference_seed_generator = keras.random.SeedGenerator(self.seed)

    def cost(self, x: Any, y: Any, outputs: dict) -> tf.Tensor:
        """Returns the KL of each example in nats, `[B]`."""
        return outputs["kl"]

    def forward(self, batch: Batch, training: bool, **options: Any) -> Terms:
        """Returns what the model makes of a batch; labels that nobody reads are warned of."""
        warn_of_unread_labels(self.objective, self.target(batch.x), batch.y)
        return super().forward(batch, training, **options)

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

    def input_shapes(self) -> Any:
        """Returns the shapes of what the model takes, each with the batch as `None`."""
        return self.data_shape

    def checked(self, x: Any) -> Any:
        """Returns data in the shape of the model's, which a data set need not have declared.

        Raises:
            ValueError: If they are no numbers, or declared to be of another shape.
        """
        check_data(self.target(x), self.data_shape)
        return x if self.data_shape is None else with_shapes(x, self.input_shapes())

    def in_unit_range(self, x: Any) -> tf.Tensor | None:
        """Returns the target, if it has the rank of images."""
        target = self.target(x)
        return target if target.shape.rank == 4 else None

    def look(self) -> None:
        """Tells people what training saw: batches left out, data that are not in [0, 1]."""
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

    def encode_mean(self, x: Any) -> Any:
        """Returns the mean latents of `x`, which have no noise."""
        raise NotImplementedError(f"{type(self).__name__} must define `encode_mean(x)`.")

    def generate(
        self,
        n: int | None = None,
        *,
        context: Any = None,
        seed: int | None = None,
        batch_size: int = 256,
        verbose: bool | str = "auto",
        **options: Any,
    ) -> np.ndarray:
        """Returns new examples from the prior, as many as you like: `sample`, batch by batch.

        Args:
            n: Number of examples.
            context: Contexts `[N, ...]` of a conditional model, instead of `n`.
            seed: An integer for the same examples each time (for one `batch_size`), or `None`.
            batch_size: Number of examples at once.
            verbose: Whether to show progress; `"auto"` for once it has taken five seconds.
            **options: Further arguments of `sample`.

        Returns:
            An array `[n, ...]`.

        Raises:
            ValueError: If a number is not a positive integer, or there is not just one of `n` and
                `context`.

        Example:
        ```python
        many = model.generate(1000, seed=0)
        ```
        """
        numbers: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
        return generated(self, n, context, **numbers, **options)

    def interpolate(self, a: Any, b: Any, steps: int = 8, **options: Any) -> tf.Tensor:
        """Returns what lies between examples, on paths between their mean latents.

        Under the prior N(0, I) paths are arcs, which stay as far out as their ends, where the prior
        has its mass (`tf_geco.models.paths`); under any other prior they are straight lines.

        Args:
            a: Data `[B, ...]`.
            b: Data `[B, ...]`.
            steps: Number S of points, both ends included.
            **options: Further arguments of `encode_mean` and `decode`, such as a `tolerance`.

        Returns:
            `[B, S, ...]`, from the reconstructions of a to those of b.

        Raises:
            ValueError: If latents are not vectors, as those of ConvDRAW are not: each of its steps
                has a prior that depends on the steps before, so that points between two of its
                codes mean nothing.

        Example:
        ```python
        between = model.interpolate(images[:4], images[4:8])
        tf_geco.plotting.latent_paths(between)
        ```
        """
        path = spherical if self.has_normal_prior else straight
        self._refuse_other_latents()
        start, end = (np.asarray(self.encode_mean(part, **options)) for part in (a, b))
        return self._decoded(path(start, end, positive_integer(steps, "steps")), **options)

    def traverse(
        self,
        latents: Any,
        dimensions: Sequence[int] | None = None,
        values: Any = TRAVERSED,
        **options: Any,
    ) -> tf.Tensor:
        """Returns what each latent dimension does, the others left as they are.

        Args:
            latents: Where to start, `[d]`: the mean latents of an example, or zeros.
            dimensions: Which k dimensions to move, by default all.
            values: What to set each to, `[S]`; by default eleven from -2.5 to 2.5, where 99 % of
                N(0, 1) are.
            **options: Further arguments of `decode`, such as a `tolerance`.

        Returns:
            `[k, S, ...]`.

        Raises:
            ValueError: If latents are not vectors, as those of ConvDRAW.

        Example:
        ```python
        codes = np.asarray(model.encode_mean(images))
        order = np.argsort(-codes.std(axis=0))  # dimensions that say something, first
        moved = model.traverse(codes[0], order[:5])
        tf_geco.plotting.latent_paths(moved, names=[f"z {i}" for i in order[:5]])
        ```
        """
        self._refuse_other_latents()
        chosen = range(self.latents_shape[1]) if dimensions is None else dimensions
        return self._decoded(along_axes(latents, chosen, np.asarray(values)), **options)

    def _refuse_other_latents(self) -> None:
        """Raises an error if latents are not vectors."""
        if self.latents_shape is None or len(self.latents_shape) != 2:
            raise ValueError(
                "Paths need latents that are vectors, [B, d]. Received: "
                f"{type(self).__name__} with latents of shape {self.latents_shape}."
            )

    def _decoded(self, points: np.ndarray, **options: Any) -> tf.Tensor:
        """Returns what latents `[n, S, d]` stand for, `[n, S, ...]`."""
        flat = points.reshape(-1, points.shape[-1]).astype("float32")
        images = self.decode(flat, **options)
        return tf.reshape(images, [*points.shape[:2], *images.shape[1:]])

    @property
    def has_normal_prior(self) -> bool:
        """Whether the latents have the prior N(0, I)."""
        return False

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "seed": self.seed}
