"""Files that appear whole or not at all, so that no restart trips over half of one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tf_geco.strategies import worker_of

KINDS = (".keras", ".weights.h5")


@contextmanager
def whole(filepath: Any, model: Any, *, plain: bool) -> Iterator[Any]:
    """Yields a path beside `filepath` that takes its place once it is written.

    All workers of a strategy write, because weights may have to be gathered from all of them, but
    only the chief's file stays. Folders, remote files and files of several parts are left to Keras.

    Args:
        filepath: Where the file shall be.
        model: The model that is written.
        plain: Whether one file is asked for and no question, such as of overwriting.
    """
    path = Path(str(filepath)).resolve()  # a link stays a link
    beside = str(filepath).endswith(KINDS) and "://" not in str(filepath)
    if not plain or not beside or not os.access(path.parent, os.W_OK):
        yield filepath
        return
    worker = worker_of(model)
    partial = path.with_name(f".partial-{worker}-{path.name}")
    try:
        yield partial
        if worker == 0:
            if path.exists():
                shutil.copymode(path, partial)
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
