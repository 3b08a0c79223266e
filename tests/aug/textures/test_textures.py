"""Texture sources and plans: every operation against a naive twin on pixels, folders, caches and variety."""

from __future__ import annotations

import colorsys
import json
import pickle
import threading
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from das3d_aug.errors import FileError, ParameterError
from das3d_aug.randomness import Stream
from das3d_aug.textures import (
    ArrayTextures,
    FolderTextures,
    MixedTextures,
    PlainTextures,
    ProceduralTextures,
    TexturePlan,
    TextureSource,
    as_source,
    colour_matrix,
    draw_texture,
    sharpness,
    tone_table,
)
from das3d_aug.textures.procedural import _MATERIALS

POINTWISE = {
    "gamma": ("gamma", 0.6, 1.0, 1.9),
    "brightness": ("brightness", 1.15, -0.1),
    "solarize": ("solarize", 77.5),
    "solarize never": ("solarize", 256.0),
    "posterize": ("posterize", 3.0),
    "posterize to black and white": ("posterize", 1.0),
    "invert": ("invert",),
    "autocontrast": ("autocontrast",),
    "equalize": ("equalize",),
}


def plan_of(*operations: tuple) -> TexturePlan:
    return TexturePlan(pick=0, operations=operations)


def picture(seed: int = 0, low: int = 30, high: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers([low, low + 5, low + 10], [high, high - 20, high + 30], (40, 50, 3)).astype(np.uint8)


def naive(image: np.ndarray, operation: tuple) -> np.ndarray:
    """Apply one operation to pixels, float64 in [0, 1]."""
    name, *values = operation
    out = image.copy()
    for c in range(3):
        v = image[..., c]
        if name == "gamma":
            out[..., c] = v ** values[c]
        elif name == "brightness":
            out[..., c] = np.clip(v * values[0] + values[1], 0, 1)
        elif name == "solarize":
            out[..., c] = np.where(v * 255 >= values[0], 1 - v, v)
        elif name == "posterize":
            steps = 2 ** int(values[0])
            out[..., c] = np.minimum(np.floor(np.rint(v * 65535) / 65536 * steps), steps - 1) / (steps - 1)
        elif name == "invert":
            out[..., c] = 1 - v
        elif name == "autocontrast":
            out[..., c] = (v - v.min()) / (v.max() - v.min()) if v.max() > v.min() else v
        elif name == "equalize":
            share = {tone: (v <= tone).mean() for tone in np.unique(v)}
            darkest = min(share.values())
            if darkest < 1:
                out[..., c] = (np.vectorize(share.get)(v) - darkest) / (1 - darkest)
    return out


def through_table(image: np.ndarray, plan: TexturePlan) -> np.ndarray:
    table = tone_table(image, plan)
    return np.stack([table[image[..., c], c] for c in range(3)], axis=-1)


@pytest.mark.parametrize("operation", POINTWISE.values(), ids=POINTWISE.keys())
def test_each_tone_operation_equals_its_naive_twin(operation):
    image = picture()
    expected = naive(image / 255.0, operation)
    np.testing.assert_allclose(through_table(image, plan_of(operation)), expected, rtol=0, atol=1.01 / 65535)


@pytest.mark.parametrize("seed", range(12))
def test_operations_act_in_the_order_drawn(seed):
    rng = np.random.default_rng(seed)
    chosen = [list(POINTWISE.values())[k] for k in rng.permutation(len(POINTWISE))[:4]]
    image = picture(seed)
    expected = image / 255.0
    for operation in chosen:
        expected = np.rint(naive(expected, operation) * 65535) / 65535
    np.testing.assert_allclose(through_table(image, plan_of(*chosen)), expected, rtol=0, atol=1.01 / 65535)
    if seed == 0:
        swapped = plan_of(("invert",), ("gamma", 2.0, 2.0, 2.0))
        straight = plan_of(("gamma", 2.0, 2.0, 2.0), ("invert",))
        assert not np.array_equal(tone_table(image, swapped), tone_table(image, straight))


def test_tone_table_is_16_bit_levels_and_identity_without_operations():
    image = picture()
    for index in range(50):
        table = tone_table(image, draw_texture(Stream(1, index=index), operations=9))
        assert table.dtype == np.float32
        assert table.shape == (256, 3)
        assert table.flags.c_contiguous
        assert table.min() >= 0
        assert table.max() <= 1
        levels = table.astype(np.float64) * 65535
        np.testing.assert_allclose(levels, np.rint(levels), atol=0.005)
    identity = np.repeat(np.arange(256)[:, None] / 255, 3, axis=1).astype(np.float32)
    for plan in (
        plan_of(),
        plan_of(("sharpness", 0.5), ("hue_saturation", 30.0, 1.1)),
        plan_of(("posterize", 8.0)),
    ):
        np.testing.assert_array_equal(tone_table(image, plan), identity)


def test_histogram_operations_leave_a_flat_texture_as_it_is():
    flat = np.full((9, 7, 3), 93, np.uint8)
    for name in ("autocontrast", "equalize"):
        np.testing.assert_allclose(through_table(flat, plan_of((name,))), 93 / 255, atol=1e-6)


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_histogram_of_a_large_regular_texture_is_not_fooled_by_its_period(period):
    rows, columns = np.indices((256, 256))
    image = np.repeat((np.where(columns % period == 0, 200, 50) + rows % 4)[..., None], 3, axis=2).astype(np.uint8)
    stretched = tone_table(image, plan_of(("autocontrast",)))
    assert stretched[50].max() == 0
    assert stretched[203].min() == 1
    share = tone_table(image, plan_of(("equalize",)))[53, 0]
    expected = (1 - 1 / period - (1 - 1 / period) / 4) / (1 - (1 - 1 / period) / 4)
    assert share == pytest.approx(expected, abs=0.03)


def test_colour_matrix():
    grey = np.full(3, 0.4)
    luma = np.array([0.299, 0.587, 0.114])
    np.testing.assert_array_equal(colour_matrix(plan_of(("invert",))), np.eye(3, dtype=np.float32))
    matrix = colour_matrix(plan_of(("hue_saturation", 40.0, 1.2)))
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix @ grey, grey, atol=1e-4)
    colour = np.array([0.7, 0.2, 0.4])
    assert luma @ (matrix @ colour) == pytest.approx(luma @ colour, abs=1e-4)
    back = colour_matrix(plan_of(("hue_saturation", -40.0, 1 / 1.2)))
    np.testing.assert_allclose(back @ matrix, np.eye(3), atol=2e-4)
    np.testing.assert_allclose(colour_matrix(plan_of(("hue_saturation", 0.0, 0.0))) @ colour, luma @ colour, atol=1e-4)
    np.testing.assert_allclose(colour_matrix(plan_of(("hue_saturation", 0.0, 1.0))), np.eye(3), atol=2e-5)
    before = colorsys.rgb_to_hsv(0.6, 0.4, 0.4)[0]
    turned = colour_matrix(plan_of(("hue_saturation", 30.0, 1.0))) @ np.array([0.6, 0.4, 0.4])
    assert colorsys.rgb_to_hsv(*turned)[0] * 360 - before * 360 == pytest.approx(30, abs=15)


def test_sharpness():
    assert sharpness(plan_of(("invert",))) == 0
    assert sharpness(plan_of(("invert",), ("sharpness", -0.75))) == np.float32(-0.75)
    assert isinstance(sharpness(plan_of()), np.float32)


def test_plans_are_deterministic_distinct_and_survive_json():
    names = set()
    for index in range(300):
        plan = draw_texture(Stream(3, index=index))
        assert plan == draw_texture(Stream(3, index=index))
        drawn = [operation[0] for operation in plan.operations]
        assert len(set(drawn)) == len(drawn) == 3
        names.update(drawn)
        assert 0 <= plan.row < 1
        assert 0 <= plan.column < 1
        assert -180 <= plan.rotation <= 180
        assert 0.5 <= plan.scale <= 2
        assert plan.name is None
        assert TexturePlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
        assert pickle.loads(pickle.dumps(plan)) == plan
    assert len(names) == 9
    assert draw_texture(Stream(3), operations=0).operations == ()


def test_drawn_numbers_cover_the_ranges():
    drawn: dict[str, list] = {}
    for index in range(1500):
        for name, *values in draw_texture(Stream(4, index=index), operations=9).operations:
            drawn.setdefault(name, []).append(values)
    ranges = {
        "gamma": (0.5, 2.0), "sharpness": (-1, 1), "posterize": (1, 8),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        values = np.array(drawn[name])
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    factor, offset = np.array(drawn["brightness"]).T
    assert 0.8 <= factor.min() < 0.82 < 1.18 < factor.max() <= 1.2
    assert np.abs(offset).max() == pytest.approx(30 / 255, rel=0.05)
    degrees, saturation = np.array(drawn["hue_saturation"]).T
    assert np.abs(degrees).max() == pytest.approx(70.6, rel=0.05)
    assert np.abs(saturation - 1).max() == pytest.approx(50 / 255, rel=0.05)
    threshold = np.ravel(drawn["solarize"])
    assert (threshold == 256).mean() == pytest.approx(0.5, abs=0.06)
    acting = threshold[threshold < 256]
    assert 32 <= acting.min() < 35 < 125 < acting.max() <= 128


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations": [["blur", 1.0]]}, "blur"),
        ({"operations": [["gamma", 1.0]]}, "gamma takes 3"),
        ({"operations": [["gamma", 1.0, 0.0, 1.0]]}, "gamma must be > 0"),
        ({"operations": [["posterize", 2.5]]}, "posterize"),
        ({"operations": [["brightness", float("nan"), 0.0]]}, "brightness must be a finite"),
        ({"operations": [[["gamma"], 1.0]]}, "operation must be"),
        ({"operations": "gamma"}, "operations must be"),
        ({"operations": [[]]}, "operation must be"),
        ({"scale": 0.0}, "scale"),
        ({"row": "a"}, "row"),
        ({"row": True}, "row"),
        ({"pick": -1}, "pick"),
        ({"pick": 2**64}, "pick"),
        ({"name": 5}, "name"),
        ({"colour": 5}, "keys"),
    ],
)
def test_a_bad_plan_is_a_typed_error(change, message):
    good = draw_texture(Stream(0)).to_dict()
    with pytest.raises(ParameterError, match=message):
        TexturePlan.from_dict({**good, **change})
    with pytest.raises(ParameterError, match="keys"):
        TexturePlan.from_dict({key: value for key, value in good.items() if key != "pick"})
    with pytest.raises(ParameterError, match="operations must be 0"):
        draw_texture(Stream(0), operations=10)


# Procedural


def test_procedural_bytes_are_the_same_everywhere():
    source = ProceduralTextures(size=64)
    total = 0
    for k in range(64):
        total = zlib.crc32(source.named(f"procedural/{k}").tobytes(), total)
    assert total == 0xC03C104D


def test_procedural_textures_differ_and_vary():
    source = ProceduralTextures(size=64)
    images = np.stack([source.named(f"procedural/{k}") for k in range(64)])
    assert images.shape == (64, 64, 64, 3)
    grey = images.astype(float).mean(axis=3).reshape(64, -1)
    assert grey.std(axis=1).min() > 3  # no flat one
    assert np.ptp(grey.mean(axis=1)) > 120  # dark and bright ones
    assert np.ptp(grey.std(axis=1)) > 40  # soft and hard ones
    means = images.reshape(64, -1, 3).mean(axis=1)
    assert np.unique(means.argmax(axis=1)).size == 3  # reddish, greenish and bluish ones
    difference = np.abs(grey[:, None] - grey[None]).mean(axis=2) + 99 * np.eye(64)
    assert difference.min() > 3
    for first in range(len(_MATERIALS)):  # the same surface again is another one
        assert not np.array_equal(images[first], images[first + len(_MATERIALS)])


@pytest.mark.parametrize("size", [8, 33, 256])
def test_every_material_works_at_every_size(size):
    source = ProceduralTextures(size=size, count=len(_MATERIALS))
    for k in range(len(_MATERIALS)):
        image = source.named(f"procedural/{k}")
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert not image.flags.writeable


def test_procedural_names_and_limits():
    source = ProceduralTextures(size=16, count=5)
    picked = {source.pick(bits)[0] for bits in (Stream(0, index=i).bits() for i in range(100))}
    assert picked == {f"procedural/{k}" for k in range(5)}
    name, image = source.pick(2**64 - 1)
    assert image is source.named(name)
    for bad in ("procedural/5", "procedural/-1", "procedural/", "wood", "procedural/01"):
        with pytest.raises(ParameterError, match="procedural/4"):
            source.named(bad)
    for arguments in ({"size": 7}, {"size": 1025}, {"count": 0}):
        with pytest.raises(ParameterError):
            ProceduralTextures(**arguments)


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


# Folders


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


# Arrays, and what a caller may give


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
