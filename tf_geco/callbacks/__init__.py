"""Callbacks: they observe training, log it, keep the best weights and stop."""

from tf_geco.callbacks.geco_callback import GECOCallback
from tf_geco.callbacks.trajectory import Trajectory
from tf_geco.training.backup import Backup

__all__ = ["Backup", "GECOCallback", "Trajectory"]
