"""What a comparison waits for besides mathematics: modules that it need not import, and programs to compile."""

import json
import os
import subprocess
import sys

_UNNEEDED = {"pandas", "narwhals", "sympy", "diffrax", "optimistix", "scipy.stats", "dask", "pyarrow", "torch"}
_ROOMS = {"scipy.special", "scipy.linalg", "scipy.optimize", "scipy.interpolate"}
_COMPARED = """
import json, sys
import jax
import riccati.cli, riccati.comparison, riccati.plot
from riccati.runs import Run

programs, imported = [], sorted(sys.modules)
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: programs.append(event) if event.endswith("backend_compile_duration") else None
)
riccati.comparison.compare(Run.load("anisotropic")).save(sys.argv[1])
print(json.dumps({"imported": imported, "needed": sorted(sys.modules), "programs": len(programs)}))
"""


def test_a_comparison_imports_little_and_compiles_few_programs(tmp_path):
    environment = os.environ | {"JAX_ENABLE_X64": "1"}
    run = subprocess.run(
        [sys.executable, "-c", _COMPARED, str(tmp_path)], env=environment, check=True, capture_output=True, text=True
    )
    held = json.loads(run.stdout.splitlines()[-1])
    assert not (_UNNEEDED | _ROOMS) & set(held["imported"])
    # the flow is integrated by diffrax, and the law's quasi-random points are of scipy.stats
    assert not (_UNNEEDED - {"diffrax", "optimistix", "scipy.stats"}) & set(held["needed"])
    assert held["programs"] <= 18
