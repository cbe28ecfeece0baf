"""A Keras model that keeps what Keras itself would drop: weights of examples, states of noise."""

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.compiled import Compiled
from tf_geco.configs import rebuilt
from tf_geco.objectives.objective import Objective
from tf_geco.strategies import AsKeras
from tf_geco.training.around import Around
from tf_geco.training.backup import Backup
from tf_geco.training.batch import check_arrays, with_weights
from tf_geco.training.files import whole
from tf_geco.training.noise import noise_kept, seed_states
from tf_geco.training.progress import Progress
from tf_geco.training.scores import scored
from tf_geco.training.watch import Watch

# Data that come in an order of their own.
STREAMS = (tf.data.Dataset, tf.distribute.DistributedDataset, Iterator)
CARRIED = "carried_"  # begins the names of arrays in a file that are no weights of the model


class NativeModel(AsKeras):
    """What surrounds the steps of a model: arguments, warnings, saving.

    A subclass sets `objective`, `progress` and `watch`, and writes `train_step` and `test_step`.
    """

    objective: Objective
    progress: Progress
    watch: Watch
    compiled_functions: Compiled
    jit_compile: bool  # a property of Keras
    loss: Any
    inference_seed_generator: keras.random.SeedGenerator | None = None
    # Arrays by name beside the weights: what a backup puts in its file, what the last file had.
    to_carry: dict[str, np.ndarray] | None = None
    carried: dict[str, np.ndarray] | None = None

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains, as `keras.Model.fit`; the objective learns how many steps there will be."""
        given = self._given(super().fit, args, kwargs)
        # Left to its default, Keras asks to shuffle these and then warns that it cannot.
        given.setdefault("shuffle", not isinstance(given.get("x"), STREAMS))
        self._refuse_unvalidated(given)
        self._warn_of_averages(given)
        history = self._fit(dict(given))
        self.after_fit(given)
        return history

    def after_fit(self, given: dict[str, Any]) -> None:
        """Is called when a training is over, with the arguments of `fit`."""

    def _fit(self, given: dict[str, Any]) -> keras.callbacks.History:
        """Trains, with the callbacks in their order, and from where a backup ends."""
        callbacks: Any = given.pop("callbacks", None) or []
        by_hand, around = isinstance(callbacks, keras.callbacks.CallbackList), Around()
        every = callbacks.callbacks if by_hand else [*tf.nest.flatten(callbacks)]
        every.append(around)
        every.sort(key=lambda part: getattr(part, "order", 0))
        for backup in [part for part in every if isinstance(part, Backup)]:
            given = backup.prepare(self, given, every)
        if not by_hand:
            return super().fit(**given, callbacks=every)
        around.set_model(self)
        around.set_params({"epochs": given.get("epochs") or 1, **(callbacks.params or {})})
        try:
            return super().fit(**given, callbacks=callbacks)
        finally:
            every.remove(around)

    def save(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """Writes the model, as `keras.Model.save`; the file appears whole or not at all."""
        with whole(filepath, self, plain=overwrite and not options) as path:
            super().save(path, overwrite=overwrite, **options)

    def save_weights(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """Writes the weights, as `keras.Model.save_weights`, whole or not at all."""
        with whole(filepath, self, plain=overwrite and not options) as path:
            super().save_weights(path, overwrite=overwrite, **options)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Measures, as `keras.Model.evaluate`: figures of all examples, whatever the batch size."""
        return self._measured(super().evaluate, args, kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Measures a batch, as `keras.Model.test_on_batch`."""
        return self._measured(super().test_on_batch, args, kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Returns outputs, as `keras.Model.predict`."""
        with noise_kept(self, but=self.inference_seed_generator):
            return super().predict(*args, **kwargs)

    def predict_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Returns outputs of a batch, as `keras.Model.predict_on_batch`."""
        with noise_kept(self, but=self.inference_seed_generator):
            return super().predict_on_batch(*args, **kwargs)

    def score(
        self,
        x: Any,
        y: Any = None,
        *,
        seed: int = 0,
        batch_size: int = 256,
        verbose: bool | str = "auto",
    ) -> dict[str, np.ndarray]:
        """Returns for each example what the model makes of it: what it costs and how far it is off.

        Anomalies are examples that cost much or are far off: compare with data that are normal.

        Args:
            x: Data `[N, ...]`, or a `tf.data.Dataset` of batches of what `fit` takes.
            y: Labels, if the constraints need some, and `{"mask": mask}` where values are missing;
                constraints leave them out, and the network sees zeros.
            seed: Of the noise of the latents.
            batch_size: Number of examples at once.
            verbose: Whether to show progress; `"auto"` for once it has taken five seconds.

        Returns:
            Arrays `[N]` by name, as in the logs: the cost (the `"kl"` of a VAE, in nats), and what
            each constraint measures, in the unit of its tolerance. NaN where an example does not
            count, such as one without an observed value.

        Raises:
            ValueError: If the data are empty, or do not fit the model.

        Example:
        ```python
        normal, new = model.score(images[:4]), model.score(images[4:])
        limit = np.quantile(normal["reconstruction_error"], 0.99)
        suspicious = new["reconstruction_error"] > limit
        ```
        """
        options: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
        return scored(self, x, y, **options)

    def make_test_function(self, force: bool = False) -> Callable:
        """Compiles as Keras does, for the settings that layers have."""
        self.objective.serve(self)
        stale = self.compiled_functions.stale("test", self)
        return super().make_test_function(stale or force)

    def make_predict_function(self, force: bool = False) -> Callable:
        """Compiles as Keras does, for the settings that layers have."""
        stale = self.compiled_functions.stale("predict", self)
        return super().make_predict_function(stale or force)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Takes one step, as `keras.Model.train_on_batch`."""
        results = super().train_on_batch(**self._given(super().train_on_batch, args, kwargs))
        self.look()
        return results

    def _refuse_unvalidated(self, given: dict[str, Any]) -> None:
        """Raises an error if tolerances are to hold on validation data that are not given."""
        if self.objective.gap is None:
            return
        if given.get("validation_data") is None and not given.get("validation_split"):
            raise ValueError(
                "Tolerances that hold on validation data need some: `fit(..., validation_data=...)`"
                ". Received: hold_on='validation', validation_data=None."
            )

    def _warn_of_averages(self, given: dict[str, Any]) -> None:
        """Warns if tolerances are to hold on validation data, but not of the weights used there."""
        callbacks = given.get("callbacks") or []
        callbacks = tf.nest.flatten(getattr(callbacks, "callbacks", callbacks))
        swaps = any(isinstance(part, keras.callbacks.SwapEMAWeights) for part in callbacks)
        optimizer = getattr(self, "optimizer", None)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if self.objective.gap is not None and getattr(optimizer, "use_ema", False) and not swaps:
            warnings.warn(
                "Validation sees the weights of the last step, but training with `use_ema` leaves "
                "averaged ones, on which tolerances may not hold. Add the callback "
                "`keras.callbacks.SwapEMAWeights()`. Received: hold_on='validation', use_ema=True.",
                stacklevel=3,
            )

    def _measured(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        """Returns what a function of Keras measures, and warns of batches that are left out."""
        given = self._given(function, args, kwargs)
        with noise_kept(self, but=self.inference_seed_generator):
            results = function(**given)
        if skipped := round(float(self.progress.result()["skipped"])):
            warnings.warn(
                f"{skipped} batches were left out of the evaluation. Of the last one: "
                f"{self.watch.reason(training=False)}.",
                stacklevel=3,
            )
        return results

    def look(self) -> None:
        """Tells people what training saw, outside of its steps.

        Raises:
            FloatingPointError: After `max_skipped` consecutive batches that were left out.
        """
        self.watch.check()

    def save_own_variables(self, store: Any) -> None:
        """Saves the state of all noise too, which Keras does not: training resumes exactly."""
        super().save_own_variables(store)
        for index, state in enumerate(seed_states(self)):
            store[f"seed_state_{index}"] = state.numpy()
        for name, array in (self.to_carry or {}).items():
            store[f"{CARRIED}{name}"] = array

    def load_own_variables(self, store: Any) -> None:
        """Restores what `save_own_variables` saved."""
        for index, state in enumerate(seed_states(self)):
            state.assign(store[f"seed_state_{index}"])
        names = list(store.keys())
        carried = [name for name in names if name.startswith(CARRIED)]
        self.carried = {name.removeprefix(CARRIED): np.array(store[name]) for name in carried}
        own = [name for name in names if not name.startswith(("seed_state", CARRIED))]
        super().load_own_variables({name: store[name] for name in own})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes the model that `get_config` described, without its weights."""
        return rebuilt(cls, config, custom_objects)

    def _given(self, function: Callable, args: tuple, kwargs: dict) -> dict[str, Any]:
        """Returns the arguments by name, with weights that Keras passes on."""
        given = inspect.signature(function).bind(*args, **kwargs).arguments
        given.update(given.pop("kwargs", {}))
        y, sample_weight = given.get("y"), given.get("sample_weight")
        check_arrays(given.get("x"), y, sample_weight)
        y, sample_weight = with_weights(y, sample_weight)
        given |= {"y": y, "sample_weight": sample_weight}
        validation = given.get("validation_data")
        if isinstance(validation, tuple | list) and len(validation) == 3:
            check_arrays(*validation)
            given["validation_data"] = (validation[0], *with_weights(*validation[1:]))
        return given
