"""The law of the fuzz: a subject trains with its arguments, or says which of them is wrong."""

import contextlib
import os
import re
import tempfile

import keras
from hypothesis import strategies as st

from tests.faults.subjects import SUBJECTS


@contextlib.contextmanager
def within(folder):
    """Works in a folder; `contextlib.chdir` came with Python 3.11."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@st.composite
def cases(draw, names=tuple(SUBJECTS)):
    """Draws a subject and one to three of its arguments."""
    name = draw(st.sampled_from(names))
    arguments = SUBJECTS[name].arguments
    chosen = draw(st.lists(st.sampled_from(sorted(arguments)), min_size=1, max_size=3, unique=True))
    return name, {argument: draw(arguments[argument]) for argument in chosen}


def outcome(name, arguments):
    """Returns `"trained"` or `"refused"`.

    Raises:
        AssertionError: If it does neither: an error of another kind or without a name, a step that
            is not taken, or a model that is another after loading.
    """
    subject = SUBJECTS[name]
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    try:
        # An odd path may be a good one: what is written there goes with the folder.
        with tempfile.TemporaryDirectory() as folder, within(folder):
            subject.use(subject.make(**{**subject.base(), **arguments}))
    except (ValueError, TypeError) as error:
        if named(str(error), arguments):
            return "refused"
        raise AssertionError(f"{type(error).__name__} names no argument: {error}") from error
    return "trained"


def named(message, arguments):
    """Returns whether a message names an argument as a word, or a constraint, or a network."""
    message = re.sub(r"\x1b\[\d+m", "", message)  # the colours of Keras
    networks = [type(v).__name__ for v in arguments.values() if isinstance(v, keras.Layer)]
    words = [*arguments, *networks, "Constraint '"]
    return any(re.search(rf"\b{word}\b", message) for word in words)
