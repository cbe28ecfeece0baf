"""GECO for a model that is no VAE: a classifier with a floor under the recall of one class.

    minimise   cross-entropy
    such that  at least 99 % of the eights are called eights

A recall counts, so it has no gradient. The count drives lambda, and a proxy, the probability that
the network gives to an eight, carries the gradient.

Run `python examples/recall_floor.py`; it takes about a minute on two cores.
"""

import keras
import tensorflow as tf

import tf_geco

DIGIT, FLOOR = 8, 0.99


@keras.saving.register_keras_serializable(package="recall_floor")
def recognised(x, y, outputs):
    """Whether the digit is called by its name: 1 or 0, `[B]`."""
    return tf.equal(tf.argmax(outputs, axis=1), y)


@keras.saving.register_keras_serializable(package="recall_floor")
def probability(x, y, outputs):
    """The probability of the digit's name, `[B]`, which can be differentiated."""
    return tf.gather(outputs, y, batch_dims=1)


@keras.saving.register_keras_serializable(package="recall_floor")
def is_the_digit(x, y, outputs):
    """Which examples count: the recall is a mean over the eights alone, `[B]`."""
    return tf.equal(y, DIGIT)


def network():
    """A network so small that it must choose which digits to get right."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.AveragePooling2D(4),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def constrained_classifier(floor=FLOOR):
    """All that GECO needs: a constraint, and the model and its loss as they are."""
    recall = tf_geco.constraints.from_function(
        recognised, floor, "recall", form=">=", proxy=probability, where=is_the_digit, scale=0.05
    )
    return tf_geco.models.Constrained(
        network(), "sparse_categorical_crossentropy", tf_geco.GECO([recall])
    )


def recall_and_accuracy(model, data):
    """Returns the recall of the digit and the accuracy of all, on a data set."""
    labels = tf.concat([y for _, y in data], axis=0)
    right = tf.equal(tf.argmax(model.predict(data, verbose=0), axis=1), labels).numpy()
    return right[labels.numpy() == DIGIT].mean(), right.mean()


def main(epochs=60):
    """Trains the same network without and with the floor, and compares them."""
    train = tf_geco.datasets.load("mnist5k", batch_size=128, split="train")
    test_on = tf_geco.datasets.from_arrays(*all_of(train), batch_size=500, training=False)
    results = {}
    for name in ("free", "floor"):
        keras.utils.set_random_seed(0)
        if name == "free":
            model = network()
            model.compile(keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
        else:
            model = constrained_classifier()
            model.compile(keras.optimizers.Adam(0.01), metrics=["accuracy"])
        model.fit(train, epochs=epochs, verbose=0)
        results[name] = recall_and_accuracy(model, test_on)
        recall, accuracy = results[name]
        print(f"{name:>5}: recall of {DIGIT}s {recall:.3f}, accuracy of all digits {accuracy:.3f}")
    return results


def all_of(data):
    """Returns all images and labels of a pipeline."""
    images, labels = zip(*data, strict=True)
    return tf.concat(images, axis=0), tf.concat(labels, axis=0)


if __name__ == "__main__":
    main()
