"""What a training is compared by, on one device and on several workers, and how to start these."""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, Case, dense_vae, geco
from tests.constraints import cases
from tf_geco.constraints import ReconstructionError, from_function

BATCH = 8
EPOCHS = 20


@keras.saving.register_keras_serializable(package="tests")
def brightness_missed(x, y, outputs):
    """Returns what a constraint on labels measures: how far the mean is from the label."""
    return tf.abs(tf.reduce_mean(outputs["reconstruction"], axis=1) - y["label"])


def labelled_vae():
    """Returns a model with two constraints, of which one reads labels."""
    second = from_function(brightness_missed, 0.2, "brightness")
    return dense_vae(tf_geco.GECO([ReconstructionError(0.1), second]))


def constrained_vae():
    """Returns a model under one constraint of each kind."""
    every = [make(name=f"held_{name}") for name, make in cases.MAKE.items() if name != "normal"]
    return dense_vae(tf_geco.GECO(every), cases.SHAPE)


CASES = MODELS | {
    "constrained": Case(constrained_vae, cases.SHAPE),
    "labelled": Case(labelled_vae, (6,)),
    "validated": Case(lambda: dense_vae(geco(hold_on="validation")), (6,)),
}


def examples(case, name, n=24):
    """Returns data of a model in a fixed order, with labels where it reads them."""
    data = case.data(n)
    labels = {"labelled": lambda: data.mean(axis=1), "constrained": lambda: np.arange(n) % 4}
    return (data, {"label": labels[name]()}) if name in labels else data


def distributed(strategy, data):
    """Returns global batches in a fixed order, every third one smaller, spread over the workers."""
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(BATCH).repeat()
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    dataset = dataset.with_options(options)
    return dataset if strategy is None else strategy.experimental_distribute_dataset(dataset)


def measured(name, strategy=None):
    """Returns logs, multipliers and measures of a short training, as lists of numbers."""
    if name == "keras alone":
        return keras_alone(strategy)
    if name.startswith("backup "):
        return interrupted(strategy, name.removeprefix("backup "))
    keras.utils.set_random_seed(7)
    case = CASES[name]
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = case.build()
        model.compile(keras.optimizers.Adam(1e-2))
    train = distributed(strategy, examples(case, name, 20))
    held = distributed(strategy, examples(case, name, 14))
    options = {"validation_steps": 2, "callbacks": [tf_geco.GECOCallback()], "verbose": 0}
    options |= {"steps_per_epoch": 3, "epochs": 2, "validation_data": held}
    history = model.fit(train, **options).history
    evaluated = model.evaluate(held, steps=2, verbose=0, return_dict=True)
    found = {"logs": history, "evaluated": evaluated, "measures": measures(model, case)}
    return keras.tree.map_structure(lambda part: np.asarray(part, "float64").tolist(), found)


def keras_alone(strategy):
    """Trains a model of Keras itself on pairs."""
    with strategy.scope():
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    pairs = distributed(strategy, (np.ones((16, 3), "float32"), np.ones((16, 1), "float32")))
    return model.fit(pairs, steps_per_epoch=2, verbose=0).history


def interrupted(strategy, file):
    """Trains slowly enough to be killed, with a backup; returns where it began and ended."""
    keras.utils.set_random_seed(7)
    with strategy.scope():
        model = CASES["dense"].compiled()
    began = []
    slow = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: began.append(epoch),
        on_epoch_end=lambda epoch, logs: time.sleep(0.2),
    )
    data = tf.data.Dataset.from_tensor_slices(CASES["dense"].data()).batch(BATCH).repeat()
    callbacks = [slow, tf_geco.callbacks.Backup(file)]
    model.fit(data, steps_per_epoch=2, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    return {"began": began[0], "steps": int(model.objective.step.numpy())}


def measures(model, case):
    """Returns what `tf_geco.evaluation` says of a model."""
    evaluation, data = tf_geco.evaluation, case.data()
    plane = evaluation.information_plane(model, data, batch_size=8)
    found = {"average_kl": evaluation.average_kl(model, data, batch_size=8).value}
    found |= {"nll": plane.nll, "sigma": plane.sigma}
    if hasattr(model, "posterior"):
        found["marginal_kl"] = evaluation.marginal_kl(model, data, 64, batch_size=8).value
    return found


def start(directory, number, names, module="tests.worker"):
    """Starts workers and returns them with the files that they will write."""
    ports = ",".join(str(_free_port()) for _ in range(number))
    outputs = [directory / f"{index}.json" for index in range(number)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", module, str(index), ports, str(outputs[index]), *names],
            cwd=Path(__file__).parent.parent,
            **options,
        )
        for index in range(number)
    ]
    return workers, outputs


def _free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]
