"""Table 1: the constraints, with the defaults of their classes."""

import inspect

from training import Paper

from tf_geco import constraints

FORMULAS = {
    "ReconstructionError": ("RE", "mean |x - g(z)|^2 - kappa^2"),
    "FeatureReconstructionError": ("FRE", "mean |f(x) - f(g(z))|^2 - kappa^2"),
    "ClassificationAccuracy": ("CLA", "kappa - l(x)' c(g(z))"),
    "PatchNCC": ("pNCC", "mean_i [kappa - psi(x, i)' psi(g(z), i)]"),
}


def make(paper: Paper) -> tuple:
    """Returns no figure, and the table by the names of the paper."""
    record = {}
    for name, (short, formula) in FORMULAS.items():
        parameters = inspect.signature(getattr(constraints, name)).parameters.values()
        named = {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}
        shown = {
            key: "asked for" if default is inspect.Parameter.empty else repr(default)
            for key, default in named.items()
            if key != "name"
        }
        record[short] = {"class": name, "C": formula, "arguments": shown}
    return None, record
