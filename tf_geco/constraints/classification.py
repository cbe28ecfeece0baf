"""CLA: the accuracy of a classifier on reconstructions."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.checks import flag, one_of
from tf_geco.constraints.features import as_network, outputs_of
from tf_geco.constraints.inputs import entry, refuse_misspelt
from tf_geco.constraints.share import Share
from tf_geco.constraints.values import straight_through
from tf_geco.schedules import Schedule


@keras.saving.register_keras_serializable(package="tf_geco")
class ClassificationAccuracy(Share):
    """CLA: a classifier must recognise at least a share `tolerance` of the reconstructions.

        C = kappa - l(x)^T c(g)

    The model need keep only what the classifier looks at, and is free in all else.

    The gradient is that of -log(l^T c), by default. A reconstruction that is not recognised at all
    gives the probability itself no gradient, because the softmax is saturated, and early on that is
    all of them.

    Its scale is 1 - kappa, so that 1 + C / scale is the error rate over the one allowed.

    Args:
        tolerance: kappa, between 0 and 1, or a schedule of it.
        classifier: A Keras model or layer, images -> class probabilities `[B, K]`. Training
            leaves it as it is. `tf_geco.models.classifier` makes one.
        from_logits: Whether the classifier returns logits.
        strict: Whether what must reach kappa is the share of reconstructions whose most probable
            class is the true one. `False`, the default, is the paper's: the mean probability of the
            true class, which is a little lower than that share for a confident classifier.
        proxy: What the gradient is that of: `"log_probability"`, or `"probability"` as printed.
        name: Name in logs and plots.

    Call arguments:
        x: Not used.
        y: Labels, integers `[B]` or one-hot `[B, K]`, or a dictionary with `"label"`.
        outputs: A dictionary with `"reconstruction"`, images for the classifier.

    Raises:
        ValueError: If `tolerance` is not in (0, 1), the classifier is no Keras model or layer or
            returns what cannot be probabilities, there are no labels, or `proxy` is unknown.

    Example:
    ```python
    classifier = tf_geco.models.classifier((28, 28, 1), classes=10)
    classifier.fit(train, epochs=10)
    constraint = tf_geco.constraints.ClassificationAccuracy(0.95, classifier)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Table 1. The table prints l^T c - kappa, which as
        E[C] <= 0 would ask for an accuracy of at most kappa; the sign is reversed here.
    """

    values_within = (0.0, 1.0)
    kind = "share of reconstructions to be classified right"

    def __init__(
        self,
        tolerance: float | Schedule,
        classifier: keras.Layer,
        *,
        from_logits: bool = False,
        strict: bool = False,
        proxy: str = "log_probability",
        name: str | None = "classification_accuracy",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("form", ">=")
        super().__init__(tolerance, name=name, **kwargs)
        self.classifier = as_network(classifier, "classifier")
        self.from_logits = flag(from_logits, "from_logits")
        self.strict = flag(strict, "strict")
        self.proxy = one_of(("log_probability", "probability"), proxy, "proxy")

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Builds the classifier for reconstructions, and checks that they fit."""
        shape = entry(outputs_shape, "reconstruction", self.name)
        scores = outputs_of(self.classifier, shape, "classifier")
        if len(getattr(scores, "shape", ())) != 2:
            raise ValueError(
                "`classifier` must return one vector of class probabilities per example, [B, K]. "
                f"Received: a classifier that returns {getattr(scores, 'shape', scores)}."
            )
        if not self.from_logits and None not in shape[1:]:
            self._refuse_logits(shape[1:])

    def _refuse_logits(self, shape: tuple) -> None:
        """Raises an error if what the classifier makes of noise are no probabilities."""
        noise = np.random.default_rng(0).uniform(size=(16, *shape)).astype("float32")
        with tf.init_scope():  # a step may be what builds it
            scores = np.asarray(self.classifier(noise, training=False), "float32")
        if np.min(scores) < -0.01 or np.max(scores) > 1.01:
            raise ValueError(
                "`classifier` must return probabilities; if it returns logits, say "
                f"`from_logits=True`. Received: scores from {np.min(scores):.3g} to "
                f"{np.max(scores):.3g}, for images of noise."
            )

    def measure(self, x: Any, y: Any = None, outputs: Any = None) -> tf.Tensor:
        """Returns the probability of the true class of each example, or 1 if it is right, `[B]`."""
        reconstruction = entry(outputs, "reconstruction", self.name)
        scores = tf.cast(self.classifier(reconstruction, training=False), tf.float32)
        probabilities = tf.nn.softmax(scores) if self.from_logits else scores
        truth = self._one_hot(y, scores.shape[-1])
        right = tf.reduce_sum(truth * probabilities, axis=-1)
        proxy = right if self.proxy == "probability" else tf.math.log(tf.maximum(right, 1e-6))
        if self.strict:
            right = tf.equal(tf.argmax(truth, axis=-1), tf.argmax(scores, axis=-1))
        return straight_through(tf.cast(right, tf.float32), proxy)

    def _one_hot(self, y: Any, classes: int) -> tf.Tensor:
        if isinstance(y, dict):
            refuse_misspelt(y, "label")
        label = y.get("label") if isinstance(y, dict) else y
        if label is None:
            raise ValueError(
                f"Constraint '{self.name}' needs labels: train on (image, label), or on "
                "(image, {'label': ...}). Received: no labels."
            )
        if label.shape.rank == 2 and label.shape[-1] == classes:
            return tf.cast(label, tf.float32)
        return tf.one_hot(tf.reshape(tf.cast(label, tf.int64), [-1]), classes)

    @property
    def is_likelihood(self) -> bool:
        """Whether its gradient is that of one: yes, but for the proxy `"probability"`.

        At lambda = 1 the loss has -log(l^T c) / (1 - kappa). That is a likelihood in which
        -log(l^T c) is exponentially distributed with the mean 1 - kappa, as a squared error of two
        values is, for which D / 2 = 1. So lambda = 1 is the likeliest at the tolerance, and at any
        error the likeliest is the one at which lambda times the error's ratio is 1.
        """
        return self.proxy == "log_probability"

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {
            **super().get_config(),
            "classifier": keras.saving.serialize_keras_object(self.classifier),
            "from_logits": self.from_logits,
            "strict": self.strict,
            "proxy": self.proxy,
        }
