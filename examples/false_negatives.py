"""A classifier of tumours that misses at most 2 % of the malignant ones, and how sure that is.

    minimise   cross-entropy
    such that  at most 2 % of the malignant tumours are called benign

The table is the breast cancer data of scikit-learn: 569 tumours, 30 numbers each. A fifth is kept
for the test, among them 47 malignant ones: too few to prove a rate of 2 %, as `check` says.

    python examples/false_negatives.py             # a minute on two CPU cores
"""

import argparse

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_breast_cancer

import tf_geco


@keras.saving.register_keras_serializable(package="false_negatives")
def missed(x, y, outputs):
    """Whether a tumour is called benign: 1 or 0, `[B]`."""
    return outputs[:, 0] < 0.5


@keras.saving.register_keras_serializable(package="false_negatives")
def probability_of_missing(x, y, outputs):
    """The probability that it is called benign, `[B]`, which can be differentiated."""
    return 1.0 - outputs[:, 0]


@keras.saving.register_keras_serializable(package="false_negatives")
def is_malignant(x, y, outputs):
    """Which tumours count: the rate is a mean over the malignant ones alone, `[B]`."""
    return tf.equal(y, 1)


def tumours(seed=0):
    """Returns the table for training and for the test, each `(x, y)`; y is 1 if malignant."""
    table = load_breast_cancer()
    order = np.random.default_rng(seed).permutation(len(table.data))
    train, test = np.split(order, [len(order) * 4 // 5])
    mean, scale = table.data[train].mean(axis=0), table.data[train].std(axis=0)
    x, y = ((table.data - mean) / scale).astype("float32"), 1 - table.target
    return (x[train], y[train]), (x[test], y[test])


def classifier(rate):
    """Returns a classifier with a bound on the false-negative rate."""
    network = keras.Sequential([keras.Input((30,)), keras.layers.Dense(1, activation="sigmoid")])
    bound = tf_geco.constraints.from_function(
        missed, rate, "false_negative_rate", proxy=probability_of_missing, where=is_malignant
    )
    return tf_geco.models.Constrained(network, "binary_crossentropy", tf_geco.GECO([bound]))


def false_alarms(model, x, y):
    """Returns the share of benign tumours that are called malignant: what the bound costs."""
    return float(np.mean(model.predict(x, verbose=0)[y == 0, 0] >= 0.5))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.02, 0.005])
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()

    train, test = tumours()
    for rate in options.rates:
        keras.utils.set_random_seed(0)
        model = classifier(rate)
        model.compile(keras.optimizers.Adam(0.01))
        history = model.fit(*train, batch_size=32, epochs=options.epochs, verbose=0).history
        print(f"\nat most {rate:.1%} missed: {history['false_negative_rate'][-1]:.1%} in training,")
        print(f"false alarms {false_alarms(model, *test):.1%}. On tumours not trained on:")
        print(tf_geco.evaluation.check(model, test))


if __name__ == "__main__":
    main()
