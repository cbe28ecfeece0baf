"""Type checks of user code: `py.typed` holds, so mypy sees what tf_geco takes and returns."""

import subprocess
import sys
import tempfile
from pathlib import Path

USER = """
import tf_geco

error = tf_geco.constraints.ReconstructionError(0.1)
objective = tf_geco.GECO([error], decay=0.9)
name: str = objective.steps_taken
tf_geco.GECO([error], band="wide")
tf_geco.posteriors.DiagonalNormal(latent_dim="eight")
"""
EXPECTED = (
    'expression has type "int", variable has type "str"',
    'Argument "band" to "GECO" has incompatible type "str"; expected "float"',
    'Argument "latent_dim" to "DiagonalNormal" has incompatible type "str"; expected "int"',
)

with tempfile.TemporaryDirectory() as place:
    program = Path(place) / "user.py"
    program.write_text(USER)
    command = [sys.executable, "-m", "mypy", "--config-file", "", str(program)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False).stdout
missing = [line for line in EXPECTED if line not in said]
if missing or "Found 3 errors" not in said:
    sys.exit(f"mypy should have said {missing} and found 3 errors. It said:\n{said}")
