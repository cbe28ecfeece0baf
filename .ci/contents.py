"""A wheel holds the package, its licence and its types, and nothing else: `contents.py WHEEL`."""

import sys
import zipfile

names = zipfile.ZipFile(sys.argv[1]).namelist()
others = [n for n in names if n.split("/")[0] != "tf_geco" and ".dist-info/" not in n]
if others:
    sys.exit(f"A wheel must hold tf_geco alone. Received: {others}.")
for needed in ("tf_geco/py.typed", "LICENSE"):
    if not any(name.endswith(needed) for name in names):
        sys.exit(f"A wheel must hold {needed}.")
