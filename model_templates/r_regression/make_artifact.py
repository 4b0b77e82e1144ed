"""Let R train the example model and write `model.rds`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

rscript = shutil.which("Rscript")
if rscript is None:
    sys.exit("make_artifact: needs 'Rscript'; on Debian: apt-get install r-base-core")
subprocess.run([rscript, "train.R"], cwd=Path(__file__).resolve().parent, check=True)
