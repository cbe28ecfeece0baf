"""A recurrence whose backward pass computes each step again, and keeps one step at a time."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def recomputed(
    step: Callable, count: int, state: Any, given: list[tf.Tensor], inputs: tf.Tensor
) -> tuple[Any, list[tf.Tensor]]:
    """Returns the last state and what the steps give besides, as a plain loop over them does.

    For the backward pass only the states between steps are kept. The gradients of what steps share
    are added as they come: a tape would keep those of all steps to the last, and with small batches
    the gradients of shared kernels outweigh whatever else a step leaves.

    Args:
        step: (index, state, input) -> (next state, further tensors...). It may use variables.
        count: Number T of steps.
        state: Before the first step; it has no gradient.
        given: All other tensors that steps use and that need a gradient.
        inputs: What each step takes, `[T, ...]`.

    Returns:
        The last state, and the further tensors of all steps, `[T, ...]` each.
    """
    size = len(tf.nest.flatten(state))

    @tf.custom_gradient
    def run(*_: tf.Tensor) -> tuple[list[tf.Tensor], Callable]:  # copies; steps use the originals
        states, further = [state], []
        for index in range(count):
            after, *rest = step(index, states[-1], inputs[index])
            states.append(after)
            further.append(rest)
        outputs = [*tf.nest.flatten(after), *map(tf.stack, zip(*further, strict=True))]

        def backward(*upstream: tf.Tensor, variables: Any = ()) -> tuple[list, list]:
            into, of_further = list(upstream[:size]), upstream[size:]
            total: list = [None] * (len(given) + len(variables))
            of_inputs: list[tf.Tensor] = []
            for index in reversed(range(count)):
                before, part = _after([*into, *total], [states[index], inputs[index]])
                with tf.GradientTape() as tape:
                    tape.watch([*tf.nest.flatten(before), part, *given])
                    results = tf.nest.flatten(step(index, before, part))
                sources = [*tf.nest.flatten(before), part, *given, *variables]
                found = tape.gradient(results, sources, [*into, *(g[index] for g in of_further)])
                *into, of_input = map(_or_zero, found[: size + 1], sources[: size + 1])
                total = list(map(_added, total, found[size + 1 :]))
                of_inputs.insert(0, of_input)
            return [tf.stack(of_inputs), *total[: len(given)]], total[len(given) :]

        return outputs, backward

    last = run(inputs, *given)
    return tf.nest.pack_sequence_as(state, last[:size]), last[size:]


def _after(known: list[tf.Tensor | None], tensors: Any) -> Any:
    """Returns tensors that are computed with only after others are known.

    XLA drops control dependencies, and keeps what is computed of the first: min(|a|, 0) is zero.
    """
    zero = tf.minimum(tf.abs(tf.reshape(known[0], [-1])[0]), 0)
    with tf.control_dependencies([tensor for tensor in known if tensor is not None]):
        return tf.nest.map_structure(lambda part: part + tf.cast(zero, part.dtype), tensors)


def _or_zero(gradient: tf.Tensor | None, tensor: tf.Tensor) -> tf.Tensor:
    return tf.zeros_like(tensor) if gradient is None else gradient


def _added(one: tf.Tensor | None, other: tf.Tensor | None) -> tf.Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
