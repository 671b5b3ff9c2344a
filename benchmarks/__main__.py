"""Run every benchmark, one after the other, with the same options. `--write` records all of them."""

from __future__ import annotations

import subprocess
import sys

for module in ("targets", "triggers", "bridge", "stub", "wire", "bundles", "typescript", "compare", "cli"):
    print(f"# benchmarks.{module}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *sys.argv[1:]], check=True)
