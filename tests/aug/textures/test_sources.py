"""Texture sources: folders, caches, arrays, and mixtures of them."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.textures import picture

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.randomness import Stream
from das3d_aug.textures import (
    ArrayTextures,
    FolderTextures,
    MixedTextures,
    PlainTextures,
    ProceduralTextures,
    TextureSource,
    as_source,
)


def test_sources_pickle_to_the_same_textures_without_their_cache(tmp_path):
    write(tmp_path / "a.png", picture())
    sources = (
        FolderTextures(tmp_path),
        ProceduralTextures(size=128),
        PlainTextures(),
        ArrayTextures([picture(), picture(1)]),
        MixedTextures([tmp_path, PlainTextures(count=5)]),
    )
    for source in sources:
        empty = len(pickle.dumps(source))
        name, image = source.pick(7)
        assert len(pickle.dumps(source)) == empty
        again = pickle.loads(pickle.dumps(source))
        assert again.pick(7)[0] == name
        np.testing.assert_array_equal(again.named(name), image)
        assert not again.named(name).flags.writeable


def test_plain_textures_are_uniform_and_a_third_is_black():
    source = PlainTextures(count=30)
    colours = []
    for number in range(30):
        name, texture = source.pick(30 * 7 + number)
        assert name == f"plain/{number}"
        assert (texture == texture[0, 0]).all()
        assert not texture.flags.writeable
        colours.append(tuple(texture[0, 0].tolist()))
        np.testing.assert_array_equal(source.named(name), texture)
    assert colours.count((0, 0, 0)) == 10
    assert len(set(colours)) == 21
    for bad in ("plain/30", "plain/-1", "plain/x", "procedural/0", ""):
        with pytest.raises(ParameterError, match="plain/0 … plain/29"):
            source.named(bad)
    with pytest.raises(ParameterError, match="count must be at least 1"):
        PlainTextures(count=0)


def test_mixed_textures_take_each_source_equally_often_and_find_all_again(tmp_path):
    write(tmp_path / "a.png", picture())
    source = MixedTextures([None, tmp_path, PlainTextures(count=4), picture(1)])
    names = set()
    for number in range(4 * 64):
        name, texture = source.pick(number)
        names.add(name)
        assert name.startswith(f"{number % 4}/")
        np.testing.assert_array_equal(source.named(name), texture)
    assert {"0/procedural/63", "1/a.png", "2/plain/3", "3/array/0"} <= names
    assert len(names) == 64 + 1 + 4 + 1
    for bad in ("4/array/0", "array/0", "", "-1/a.png"):
        with pytest.raises(ParameterError, match="source 0 … 3"):
            source.named(bad)
    with pytest.raises(FileError, match="not among the textures"):
        source.named("1/b.png")
    with pytest.raises(ParameterError, match="at least one source"):
        MixedTextures([])


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1])[1].tobytes())


def test_dtd_and_flat_folders_are_listed_in_order(tmp_path):
    dtd, flat = tmp_path / "dtd", tmp_path / "flat"
    order = ["images/banded/b_2.jpg", "images/banded/b_10.jpg", "images/woven/w_1.jpg"]
    for k, name in enumerate(order):
        write(dtd / name, picture(k))
    (dtd / "labels").mkdir()
    (dtd / "labels/train.txt").write_text("x")
    (dtd / "images/banded/.b_3.jpg").write_text("not an image")
    source = FolderTextures(dtd)
    assert [source.pick(k)[0] for k in range(4)] == [*sorted(order), sorted(order)[0]]
    for k, name in enumerate(("b.PNG", "a.bmp", "c.ppm")):
        write(flat / name, picture(k))
    source = FolderTextures(str(flat))
    assert [source.pick(k)[0] for k in range(3)] == ["a.bmp", "b.PNG", "c.ppm"]
    np.testing.assert_array_equal(source.named("b.PNG"), picture(0))
    image = source.named("a.bmp")
    np.testing.assert_array_equal(image, picture(1))
    assert image.flags.c_contiguous
    assert not image.flags.writeable


def test_large_images_are_reduced_to_1024(tmp_path):
    write(tmp_path / "wide.png", np.tile(picture(), (3, 41, 1)))
    write(tmp_path / "line.png", np.full((1, 3000, 3), 7, np.uint8))
    source = FolderTextures(tmp_path)
    wide = source.named("wide.png")
    assert wide.shape == (60, 1024, 3)
    assert wide.mean() == pytest.approx(picture().mean(), abs=1)
    assert not wide.flags.writeable
    assert source.named("line.png").shape == (1, 1024, 3)


def test_an_empty_or_missing_folder_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(FileError, match="holds no texture image"):
        FolderTextures(tmp_path)
    with pytest.raises(FileError, match="not a folder"):
        FolderTextures(tmp_path / "absent")
    with pytest.raises(ParameterError, match="cache_mb"):
        FolderTextures(tmp_path, cache_mb=-1)


def test_a_damaged_image_is_named(tmp_path):
    write(tmp_path / "good.png", picture())
    write(tmp_path / "cut.png", picture())
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-200])
    (tmp_path / "text.jpg").write_text("not an image")
    source = FolderTextures(tmp_path)
    for name in ("cut.png", "text.jpg"):
        with pytest.raises(FileError, match=name):
            source.named(name)
    assert source.named("good.png").shape == (40, 50, 3)


def test_an_image_that_vanished_or_was_never_listed_is_an_error(tmp_path):
    write(tmp_path / "inside/a.png", picture())
    write(tmp_path / "outside.png", picture())
    source = FolderTextures(tmp_path / "inside")
    for name in ("b.png", "../outside.png", str(tmp_path / "outside.png")):
        with pytest.raises(FileError, match="not among the textures"):
            source.named(name)
    (tmp_path / "inside/a.png").unlink()
    with pytest.raises(FileError, match=r"a\.png"):
        source.pick(0)


def test_a_symbolic_link_may_not_leave_the_folder(tmp_path):
    write(tmp_path / "outside.png", picture())
    write(tmp_path / "inside/a.png", picture(1))
    (tmp_path / "inside/b.png").symlink_to(tmp_path / "outside.png")
    (tmp_path / "inside/c.png").symlink_to("a.png")
    source = FolderTextures(tmp_path / "inside")
    with pytest.raises(FileError, match=r"b\.png"):
        source.named("b.png")
    np.testing.assert_array_equal(source.named("c.png"), picture(1))


def test_the_cache_is_bounded_and_keeps_the_latest(tmp_path, monkeypatch):
    for k in range(6):
        write(tmp_path / f"{k}.png", picture(k))
    size = picture().nbytes
    source = FolderTextures(tmp_path, cache_mb=(3 * size + 10) / 2**20)
    decoded = []
    read = source._read
    monkeypatch.setattr(source, "_read", lambda name: decoded.append(name) or read(name))
    for name in ("0", "1", "2", "0", "3", "0", "2", "1"):
        source.named(f"{name}.png")
        held = source._cache._held
        assert sum(image.nbytes for image in held.values()) == source._cache._bytes <= 3 * size + 10
    assert decoded == ["0.png", "1.png", "2.png", "3.png", "1.png"]
    none = FolderTextures(tmp_path, cache_mb=0)
    none.pick(0)
    assert (len(none._cache._held), none._cache._bytes) == (0, 0)


def test_threads_share_a_source(tmp_path):
    for k in range(6):
        write(tmp_path / f"{k}.png", picture(k))
    source = FolderTextures(tmp_path, cache_mb=2.5 * picture().nbytes / 2**20)
    wrong = []

    def work(seed: int) -> None:
        stream = Stream(seed)
        for _ in range(100):
            name, image = source.pick(stream.bits())
            if not np.array_equal(image, picture(int(name[0]))):
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(image.nbytes for image in source._cache._held.values()) == source._cache._bytes


def test_arrays_are_copied_and_converted():
    colour, grey = picture(), picture()[..., 0]
    source = ArrayTextures([colour, grey, colour / 255.0, np.asfortranarray(colour), grey.astype(np.float32) / 255])
    expected = [colour, np.repeat(grey[..., None], 3, 2), colour, colour, np.repeat(grey[..., None], 3, 2)]
    for k, image in enumerate(expected):
        name, texture = source.pick(k)
        assert name == f"array/{k}"
        np.testing.assert_array_equal(texture, image)
        assert texture.flags.c_contiguous
        assert not texture.flags.writeable
    colour[:] = 0
    assert source.named("array/0").any()
    assert colour.flags.writeable
    assert ArrayTextures(picture()).pick(1)[0] == "array/0"
    assert ArrayTextures(np.stack([picture(), picture(1)])).pick(1)[0] == "array/1"
    with pytest.raises(ParameterError, match="array/4"):
        source.named("array/5")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "at least one"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.full((4, 4, 3), 1.5), r"\[0, 1\]"),
        (np.full((4, 4, 3), np.nan), r"\[0, 1\]"),
        ([picture(), np.zeros(5, np.uint8)], "texture 1"),
    ],
)
def test_bad_arrays_are_typed_errors(bad, message):
    with pytest.raises(ParameterError, match=message):
        ArrayTextures(bad)


def test_as_source(tmp_path):
    write(tmp_path / "a.png", picture())
    assert as_source(None) is as_source(None)
    assert isinstance(as_source(None), ProceduralTextures)
    assert isinstance(as_source(picture()), ArrayTextures)
    assert isinstance(as_source(tmp_path), FolderTextures)
    assert as_source(str(tmp_path)).pick(3)[0] == "a.png"
    own = ArrayTextures(picture())
    assert as_source(own) is own
    assert isinstance(own, TextureSource)
    with pytest.raises(ParameterError, match="texture must be"):
        as_source(3.5)
