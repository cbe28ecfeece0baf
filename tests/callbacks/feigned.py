"""Trainings that never were: moving averages and multipliers as if training had moved them."""

import numpy as np
import tensorflow as tf

from tests.catalogue import MODELS, batches
from tf_geco.objectives.means import signs

APART = 20  # steps between two records: 40 of them span what a verdict needs


def fit(callback, case=MODELS["dense"], epochs=3, **options):
    model = case.compiled(**options)
    history = model.fit(
        batches(case.data()), epochs=epochs, verbose=0, shuffle=False, callbacks=[callback]
    )
    return model, history.history


def feign(objective, excess, cost):
    """Sets the moving averages to excesses and a cost; returns the readings, as logs have them."""
    excesses = np.broadcast_to(excess, [len(objective.constraints)])
    means = [
        constraint.bound() + sign * value * constraint.margin()
        for constraint, sign, value in zip(
            objective.constraints, signs(objective.constraints), excesses, strict=True
        )
    ]
    objective.averages.assign([[*means, cost], tf.ones(len(means) + 1)])
    np.testing.assert_allclose(objective.excess(), excesses, rtol=1e-4, atol=1e-5)
    return {k: float(v) for k, v in objective.readings(objective.averaged).items()}


def epochs_of(callback, model, pairs, logs=lambda epoch: {}):
    """Calls the epoch hooks with feigned (excess, cost) and marked weights."""
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, (excess, cost) in enumerate(pairs):
        feign(model.objective, excess, cost)
        model.decoder.weights[0].assign(np.full(model.decoder.weights[0].shape, float(epoch)))
        callback.on_epoch_end(epoch, logs(epoch))
        if model.stop_training:
            break
    callback.on_train_end()
    return float(model.decoder.weights[0].numpy().flat[0])


def observe(callback, model, excess, growth=0.1, apart=APART):
    """Records 40 rises of the multiplier, and the excess at each, then ends an epoch."""
    objective = model.objective
    callback.set_model(model)
    callback.on_train_begin()
    for index in range(40):
        objective.step.assign(apart * index)
        rise = np.broadcast_to(growth, [len(objective.constraints)])
        objective.log_multiplier.assign(rise.astype("float32") * index)
        readings = feign(objective, excess(index), cost=5.0)
        callback.trajectory.record()
    callback.on_epoch_end(0, readings)
