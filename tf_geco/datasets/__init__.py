"""Data sets: names, or anyone's arrays -> pipelines of batches."""

from tf_geco.datasets.catalogue import list_names, load
from tf_geco.datasets.pipelines import from_arrays, without_autotuner

__all__ = ["from_arrays", "list_names", "load", "without_autotuner"]
