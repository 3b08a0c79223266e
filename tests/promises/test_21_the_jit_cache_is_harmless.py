"""Cold, shared or damaged JIT cache is harmless."""

import concurrent.futures

from helpers.pairs import sample
from helpers.processes import python

CODE = "from helpers.pairs import sample; print(sample(0), sample(1))"


def test_cold_shared_and_damaged(tmp_path, record_property):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # two cold starts into one cache at once
        cold = list(pool.map(lambda _: python(CODE, NUMBA_CACHE_DIR=str(tmp_path)), range(2)))
    files = list(tmp_path.rglob("*.nb?"))
    assert len(files) > 10
    for k, path in enumerate(files):
        path.write_bytes(path.read_bytes()[: (0, 10, path.stat().st_size // 2)[k % 3]])
    damaged = python(CODE, NUMBA_CACHE_DIR=str(tmp_path))
    assert {*cold, damaged} == {f"{sample(0)} {sample(1)}\n"}
    record_property("figure", f"2 cold starts at once, then {len(files)} files cut: the same bytes, not a word")
