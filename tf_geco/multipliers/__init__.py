"""Multiplier rules: how log lambda answers an error.

A rule is a pure function of (log lambda, error, memory); `tf_geco.GECO` keeps the numbers as
weights. `pace` holds the parts of the default rule, each of which can be tested alone.
"""

from tf_geco.multipliers.rules import Exponential, PlannedPace, Rule

__all__ = ["Exponential", "PlannedPace", "Rule"]
