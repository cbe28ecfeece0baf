"""Long lives of a process: memory, traces and multipliers, over many steps, fits and models."""

import gc
import os
import weakref

import keras
import numpy as np
import tensorflow as tf

from tests.catalogue import MODELS, dense_vae

CASE = MODELS["dense"]
PAGES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def resident():
    """Returns the resident memory of this process in MiB, after what is garbage is gone."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGES / 2**20


def compiled(**options):
    model = dense_vae()
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=False, **options)
    return model


def counted(model):
    """Returns a list that grows by one with each trace of the model's step."""
    traces, cost = [], model.cost

    def tracing(*arguments):
        traces.append(1)
        return cost(*arguments)

    model.cost = tracing
    return traces


def endless(batch_size=8):
    return tf.data.Dataset.from_tensors(tf.constant(CASE.data(batch_size))).repeat()


def fit(model):
    """Trains for an epoch on arrays, as people do again and again in a notebook."""
    model.fit(CASE.data(), batch_size=8, verbose=0)


def steps(model, number, data):
    """Takes steps in one `fit`."""
    model.fit(data, steps_per_epoch=number, epochs=1, verbose=0)


def dropped(number):
    """Makes, trains and drops models; returns how many of them are still there."""
    left = []
    for _ in range(number):
        model = compiled()
        model.fit(CASE.data(8), batch_size=8, verbose=0)
        left.append(weakref.ref(model))
        del model
        keras.utils.clear_session(free_memory=False)
    gc.collect()
    return sum(reference() is not None for reference in left)


def in_bounds(model):
    """Returns whether lambda lies within its bounds, and every average is finite."""
    low, high = np.transpose(model.objective.bounds)
    found = model.objective.multiplier.numpy()
    finite = all(np.isfinite(weight).all() for weight in model.get_weights())
    return bool(np.all((low <= found) & (found <= high))) and finite
