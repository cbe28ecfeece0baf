"""Many threads at once: what they must find is what one thread finds."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from tests.catalogue import train

THREADS = 8


def at_once(function, arguments, threads=THREADS):
    """Returns the results of a function, called from several threads at once, in order."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, arguments))


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def seeded(case, model):
    """Returns the functions of a model that take a seed, by name: seed -> array."""
    data = case.data(8)
    functions = {"encode": model.encode, "reconstruct": model.reconstruct}
    calls = {
        name: lambda seed, function=function: function(data, seed=seed).numpy()
        for name, function in functions.items()
    }
    return {"sample": lambda seed: model.sample(**case.given(4), seed=seed).numpy(), **calls}


def decoded(served, case, model):
    """Returns the exported signature without noise: number -> array."""
    context = {} if case.context_shape is None else {"context": case.data(4)["context"]}
    context |= case.served()
    context = {name: tf.constant(part) for name, part in context.items()}

    def decode(number):
        latents = tf.fill([4, *model.latents_shape[1:]], number / 10)
        return served.signatures["decode"](latents=latents, **context)["reconstruction"].numpy()

    return decode


def sampled(served, case):
    """Returns the exported signature that draws noise: anything -> bytes."""
    given = {"n": tf.constant(4)}
    if case.context_shape is not None:
        given = {"context": tf.constant(case.data(4)["context"])}
    given |= {name: tf.constant(part) for name, part in case.served().items()}
    return lambda _: served.signatures["sample"](**given)["samples"].numpy().tobytes()


def trainings(case, models, threads):
    """Returns the multipliers of trainings, `threads` of them at a time."""
    return at_once(lambda model: train(model, case.data(), epochs=2), models, threads)
