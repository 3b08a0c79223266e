"""The LZF of packed PCD files against its description."""

import itertools

import numpy as np
from helpers.cloud_files import lzf
from hypothesis import given
from hypothesis import strategies as st

from das3d_aug.files.ply_pcd import _lzf


def twin(packed, size):
    """LZF from its description, in plain Python; None where it is damaged."""
    source, plain = iter(packed), bytearray()
    for control in source:
        if control < 32:
            run = bytes(itertools.islice(source, control + 1))
            if len(run) <= control:
                return None
            plain += run
            continue
        length, high = divmod(control, 32)
        extra = next(source, None) if length == 7 else 0
        low = next(source, None)
        if extra is None or low is None or high * 256 + low >= len(plain):
            return None
        for _ in range(length + extra + 2):
            plain.append(plain[-1 - high * 256 - low])
    return bytes(plain) if len(plain) <= size else None


def unpacked(packed, size):
    plain = np.empty(size, np.uint8)
    written = _lzf(np.frombuffer(packed, np.uint8), plain)
    return None if written < 0 else plain[:written].tobytes()


@given(st.lists(st.sampled_from([0, 1, 2, 3, 31, 32, 33, 64, 96, 224, 255]), max_size=40), st.integers(1, 400))
def test_lzf_equals_its_twin_on_any_bytes(stream, size):
    assert unpacked(bytes(stream), size) == twin(bytes(stream), size)


@given(st.lists(st.sampled_from([b"a", b"bcd", b"a" * 300, bytes(9), bytes(range(256))]), max_size=20))
def test_lzf_restores_what_was_compressed(pieces):
    plain = b"".join(pieces)
    assert unpacked(lzf(plain), len(plain)) == plain
    assert plain == twin(lzf(plain), len(plain))
