"""Same bytes on different CPUs."""

import json

import numpy as np
from helpers.pairs import GOLDEN
from helpers.processes import python


def test_without_vector_extensions(tmp_path, record_property):
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    digests = json.loads(
        python(
            "import json; from helpers import pairs as t; print(json.dumps(t.golden_digests()))",
            NUMBA_CPU_NAME="generic",
            NUMBA_CPU_FEATURES="",
            NUMBA_CACHE_DIR=str(tmp_path),
            NPY_DISABLE_CPU_FEATURES=" ".join(found),
            OPENBLAS_CORETYPE="Nehalem",  # another machine than an x86 one ignores it
        )
    )
    assert digests == json.loads(GOLDEN.read_text())
    count = sum(map(len, digests.values()))
    record_property("figure", f"{count} goldens, compiled for a generic CPU, NumPy without {len(found)} extensions")
