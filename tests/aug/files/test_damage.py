"""Files damaged in every way that we know: the right image, or an error that names the file."""

import contextlib
import os

import numpy as np
import pytest
from helpers.image_files import GREY, RGB, U16, XYZ, jpeg, npy, npz, png, put, tiff
from helpers.whole_files import WHOLE
from hypothesis import given, settings
from hypothesis import strategies as st

from das3d_aug.errors import FileError
from das3d_aug.files import read_array, read_plane, read_rgb


@pytest.mark.parametrize(("name", "data", "read"), WHOLE)
def test_every_truncation_is_an_error_that_names_the_file(tmp_path, capfd, caplog, name, data, read):
    read(put(tmp_path, name, data))
    cuts = [*range(0, len(data), 16), *range(len(data) - 16, len(data))]
    assert len(cuts) >= 5
    for cut in cuts:
        path = put(tmp_path, name, data[:cut])
        with pytest.raises(FileError) as caught:
            read(path)
        assert caught.value.path == path
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_every_flipped_bit_of_a_png_is_noticed(tmp_path, capfd):
    data = png(RGB, colour=2)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        with pytest.raises(FileError, match=r"a\.png"):
            read_rgb(put(tmp_path, "a.png", flipped))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "data", "read"), [item for item in WHOLE if not item[0].endswith(("png", "jpg"))])
def test_a_flipped_byte_elsewhere_gives_an_image_or_a_file_error(tmp_path, capfd, caplog, name, data, read):
    for position in range(min(len(data), 256)):
        for start in (0, max(0, len(data) - 256)):
            flipped = bytearray(data)
            flipped[start + position] ^= 0x81
            path = put(tmp_path, name, flipped)
            with contextlib.suppress(FileError):
                assert read(path).ndim in (2, 3)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_types_that_are_not_what_their_name_claims(tmp_path):
    for name, data, read in WHOLE:
        for other, *_ in WHOLE:
            if other.split(".")[1] not in (name.split(".")[1], {"a.ppm": "pgm", "a.pgm": "ppm"}.get(name)):
                with pytest.raises(FileError, match=r"is not a|does not keep"):
                    read(put(tmp_path, "x." + other.split(".")[1], data))
    with pytest.raises(FileError, match=r"'\.gif' is not read"):
        read_rgb(put(tmp_path, "x.gif", b"GIF89a"))


class Canary:
    def __reduce__(self):
        return os.mkdir, ("canary",)


@pytest.mark.parametrize(
    ("read", "name", "data", "reason"),
    [
        (read_rgb, "a.png", png(np.dstack([U16] * 3), colour=2), "8-bit"),
        (read_plane, "a.png", png(RGB, colour=2), "one channel"),
        (read_plane, "a.jpg", jpeg(), "JPEG does not keep"),
        (read_array, "a.tiff", tiff(RGB), "floats of shape"),
        (read_array, "a.npy", npy(XYZ[0]), "image is expected|floats of shape"),
        (read_plane, "a.npy", npy(U16) + b"\0", "declares"),
        (read_plane, "a.npy", npy(np.array([[Canary()]], dtype=object)), "not numbers"),
        (read_plane, "a.npz", npz(np.array([[Canary()]], dtype=object)), "not numbers"),
        (read_plane, "a.npy", npy(np.zeros((2, 2), complex)), "not numbers"),
        (read_plane, "a.npy", npy(np.zeros((0, 4))), "declared"),
        (read_plane, "a.png", png(GREY, colour=0, width=14), "cut short"),
        (read_plane, "a.png", png(GREY, colour=0, width=12), "not valid"),
        (read_plane, "a.png", png(GREY, colour=0, bits=7), "header"),
        (read_plane, "a.tiff", tiff(U16, t273=10_000), "past the end"),
        (read_plane, "a.tiff", tiff(U16, t279=10_000), "past the end"),
        (read_plane, "a.tiff", tiff(U16, t279=10), "strips hold"),
        (read_plane, "a.tiff", tiff(U16, t259=7), "compression JPEG is not read"),
        (read_plane, "a.tiff", tiff(U16, t259=12345), "compression 12345 is not read"),
        (read_rgb, "a.png", png(U16, colour=0), "8-bit colour image is expected, this one is uint16"),
    ],
)
def test_refusals(tmp_path, monkeypatch, read, name, data, reason):
    monkeypatch.chdir(tmp_path)
    path = put(tmp_path, name, data)
    with pytest.raises(FileError, match=reason) as caught:
        read(path)
    assert caught.value.path == path
    assert not (tmp_path / "canary").exists()


def test_npz_with_two_arrays_and_things_that_are_no_files(tmp_path):
    np.savez(tmp_path / "two.npz", a=U16, b=U16)
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("two.npz", "fifo.png", "folder.png", "absent.png"):
        with pytest.raises(FileError, match=name):
            read_plane(tmp_path / name)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_damage_anywhere_gives_an_image_or_a_file_error(tmp_path_factory, data):
    """Cut, changed, inserted or doubled bytes, under its own name or another's."""
    name, content, read = data.draw(st.sampled_from(WHOLE))
    place = st.integers(0, len(content))
    for _ in range(data.draw(st.integers(1, 3))):
        start, end = sorted((data.draw(place), data.draw(place)))
        new = data.draw(st.one_of(st.binary(max_size=8), st.just(2 * content[start:end])))
        content = content[:start] + new + content[end:]
    suffix = data.draw(st.sampled_from([name, *(other for other, *_ in WHOLE)])).split(".")[1]
    path = put(tmp_path_factory.getbasetemp(), f"any.{suffix}", content)
    with contextlib.suppress(FileError):
        assert read(path).size
