"""A progress bar for what may take long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras

PATIENCE = 5.0  # seconds after which people want to know


@contextmanager
def late_bar(
    total: int | None, verbose: bool | str, unit: str = "example"
) -> Iterator[Callable[[int], None]]:
    """Yields a function that counts, and shows Keras's progress bar.

    Args:
        total: Their number, or `None` if it is not known.
        verbose: Whether to show it; `"auto"` for once the work has taken five seconds.
        unit: What is counted.
    """
    bar = keras.utils.Progbar(total, unit_name=unit)
    start = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        late = verbose == "auto" and time.monotonic() - start > PATIENCE
        if late or verbose is True:
            bar.update(done if total is None else min(done, total))

    yield advance
