"""matplotlib, imported when a figure is drawn."""

from typing import Any


def pyplot() -> Any:
    """Returns `matplotlib.pyplot`.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            "Figures need matplotlib. Install it with `pip install 'tf_geco[plot]'`."
        ) from error
    return plt
