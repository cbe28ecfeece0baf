"""The default rule on simulated plants, whose log error follows log lambda with a delay."""

import numpy as np
import pytest
import tensorflow as tf

from tf_geco.multipliers import ProportionalIntegral, log_ratio, moving_average

TIME_CONSTANTS = np.array([10.0, 30.0, 100.0, 300.0, 1000.0])  # steps
ERRORS = np.array([0.3, 1.0, 2.0, -0.5])  # log(RE / kappa^2) at first


def respond(gain, noise, steps=6000, seed=0, rule=None):
    """Returns y `[steps, 4, 5]`: log(RE / kappa^2) of first-order plants under the rule.

        T dy/dt = y_0 - gain (log lambda - log lambda_0) - y

    for all of ERRORS and TIME_CONSTANTS; a batch measures y plus normal noise.
    """
    random = np.random.default_rng(seed)
    rule = rule or ProportionalIntegral()
    start, time_constant = (a.ravel() for a in np.meshgrid(ERRORS, TIME_CONSTANTS, indexing="ij"))
    y, record = start.copy(), []
    u = tf.zeros_like(start)
    average, memory = u, tf.zeros([rule.memory_size, len(start)], tf.float64)
    for step in range(steps):
        first = tf.constant(step == 0)
        violation = np.exp(y + noise * random.normal(size=y.shape)) - 1.0
        average = moving_average(average, tf.constant(violation), 0.99, first)
        u, memory = rule(u, log_ratio(average, tf.ones_like(average)), memory, first)
        y = y + (start - gain * u.numpy() - y) / time_constant
        record.append(y)
    return np.reshape(record, (steps, len(ERRORS), len(TIME_CONSTANTS)))
