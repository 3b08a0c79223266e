"""What stored numbers mean: heights, named invalid numbers, what is odd about them; and the way back."""

import json

import numpy as np
import pytest
from helpers.trees import RGB, save

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.stored import Meaning, Stored
from das3d_aug.errors import FileError, ParameterError

RNG = np.random.default_rng(2)
SHAPE = RGB.shape[:2]
HEIGHTS = np.linspace(-8, 12, RGB.shape[0] * RGB.shape[1]).reshape(SHAPE)  # mm, through zero


def folder(root, numbers, *, suffix=".tiff", sub="depth"):
    save(root / "rgb" / "0.png", RGB)
    save(root / sub / f"0{suffix}", numbers)
    return root


def opened(root, **options):
    (sample,) = open_dataset(root, **options)
    return sample


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize(("unit", "stand_off"), [("m", 1), ("cm", 100), ("mm", 1000), ("um", 1e6)])
def test_heights_become_distances_from_a_camera_one_metre_above(tmp_path, dtype, unit, stand_off):
    scale = 1000.0 if dtype in (np.int16, np.int32) else 50.0
    heights = (HEIGHTS if unit != "m" else HEIGHTS / 100).astype(np.float64)
    numbers = (heights * scale).astype(dtype)
    numbers[0, 0] = -32768
    sample = opened(folder(tmp_path, numbers), depth_axis="towards", invalid=(-32768,), depth_scale=scale, unit=unit)
    expected = stand_off - numbers.astype(np.float64) / scale
    expected[0, 0] = 0
    np.testing.assert_allclose(sample.depth, expected, rtol=1e-6)
    assert np.array_equal(sample.valid, expected > 0)
    assert sample.unit == unit
    assert sample.warnings == ()
    assert sample.stored.numbers.dtype == dtype


@pytest.mark.parametrize(("dtype", "unit", "stand_off"), [(np.int16, "raw", 65536), (np.float32, "unknown", 1000)])
def test_the_camera_stands_somewhere_if_the_unit_is_not_known(tmp_path, dtype, unit, stand_off):
    sample = opened(folder(tmp_path, HEIGHTS.astype(dtype)), depth_axis="towards")
    assert sample.unit == unit
    np.testing.assert_allclose(sample.depth, stand_off - HEIGHTS.astype(dtype).astype(float), rtol=1e-6)
    assert sample.valid.all()  # a height of zero is one


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("scale", [None, 1000.0])
def test_heights_come_back_as_they_were_stored(tmp_path, dtype, scale):
    numbers = (np.abs(HEIGHTS) if dtype == np.uint16 else HEIGHTS).astype(np.float64) * (scale or 1)
    numbers = numbers.astype(dtype)
    numbers[0, :3] = 7777
    before = opened(folder(tmp_path, numbers), depth_axis="towards", invalid=[7777], depth_scale=scale, unit="cm")
    changed = np.zeros(SHAPE, bool)
    changed[4:6, 5:9] = True
    made = before.stored.restore(np.where(changed, before.depth + np.float32(0.25), before.depth), before.depth)
    assert made.dtype == dtype
    assert np.array_equal(made[~changed], numbers[~changed])
    # 0.25 deeper is 0.25 lower; a float32 at 100 is exact to 4e-6
    floor = 0 if dtype == np.uint16 else -np.inf
    step = 0.51 if np.dtype(dtype).kind != "f" else 1e-5 * (scale or 1)
    np.testing.assert_allclose(
        made[changed], np.maximum(numbers[changed] - 0.25 * (scale or 1), floor), rtol=0, atol=step
    )


def test_a_restored_number_is_never_one_that_means_nothing_and_stays_in_its_type():
    depth = np.array([[5.0, 6.0, 7.0, 60.0, 0.001]], np.float32)
    stored = Stored.as_png(depth, "mm", scale=1000)
    made = stored.restore(np.array([[5.0, 6.5, 0.0001, 99.0, np.nan]], np.float32), depth)
    assert made.dtype == np.uint16
    assert made.tolist() == [[5000, 6500, 1, 65535, 1]]
    heights = Stored(numbers=np.zeros((1, 3), np.int16), meaning=Meaning(invalid=(-5, -32768)), stand_off=10.0)
    made = heights.restore(np.array([[15.0, 40000.0, 10.0]], np.float32), np.full((1, 3), 10, np.float32))
    assert made.tolist() == [[-4, -32767, 0]]


def test_depth_that_needs_more_than_16_bits_is_no_png():
    with pytest.raises(ParameterError, match=r"65535 steps of 1/1000 end at 65.535 \(m\), and the depth reaches 66"):
        Stored.as_png(np.full((2, 2), 66, np.float32), "m", scale=1000)


@pytest.mark.parametrize(
    ("numbers", "options", "word"),
    [
        (np.full(SHAPE, 1200.0), {"unit": "mm"}, "holds the height 1200, and the virtual camera stands 1000"),
        (np.where(HEIGHTS > 11, 65535, HEIGHTS), {"unit": "mm"}, r"\(unit=, depth_scale=\), .*\(invalid=\)"),
        (np.full(SHAPE, np.nan), {}, "holds no measurement"),
    ],
)
def test_heights_beyond_the_camera_are_refused_by_name(tmp_path, numbers, options, word):
    with pytest.raises(FileError, match=word):
        opened(folder(tmp_path, numbers.astype(np.float32)), depth_axis="towards", **options)


def test_heights_of_points_move_z_alone(tmp_path):
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]]
    xyz = np.dstack([u * 0.5, v * 0.25, HEIGHTS]).astype(np.float32)
    xyz[2, 3] = np.nan
    xyz[2, 4] = 0
    sample = opened(folder(tmp_path, xyz, sub="xyz"), depth_axis="towards", unit="mm")
    valid = np.isfinite(xyz[:, :, 2]) & xyz.any(axis=2)
    assert np.array_equal(sample.valid, valid)
    assert np.array_equal(sample.xyz[valid][:, :2], xyz[valid][:, :2])
    np.testing.assert_allclose(sample.xyz[valid][:, 2], 1000 - xyz[valid][:, 2])
    assert not sample.xyz[~valid].any()
    made = sample.stored.restore(sample.depth, sample.depth)
    assert np.array_equal(made[valid], xyz[valid][:, 2])
    assert np.isnan(made[~valid]).all()  # 0 would be a height


def test_points_of_a_camera_that_looks_back(tmp_path):
    xyz = np.dstack([HEIGHTS, HEIGHTS + 1, -400 + HEIGHTS]).astype(np.float32)
    with pytest.raises(FileError, match=r"all points have z ≤ 0.*depth_axis='opengl'"):
        opened(folder(tmp_path, xyz, sub="xyz"))
    sample = opened(tmp_path, depth_axis="opengl")
    assert np.array_equal(sample.xyz, xyz * np.float32([1, -1, -1]))
    assert np.array_equal(sample.depth, -xyz[:, :, 2])
    assert sample.stored is None  # a distance is written as what it is


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (np.where(HEIGHTS > 9, 65535, 4000 + 10 * HEIGHTS).astype(np.uint16), "65535"),
        (np.where(HEIGHTS > 9, 32767, 4000 + 10 * HEIGHTS).astype(np.int16), "32767"),
        (np.where(HEIGHTS > 9, 65535, 40000 + 10 * HEIGHTS).astype(np.float32), "65535"),
        (np.where(HEIGHTS > 9, 1e6, 400 + HEIGHTS).astype(np.float32), "1000000"),
        (np.where(HEIGHTS > 9, -32768, 400 + HEIGHTS).astype(np.float32), "-32768"),
        (np.where(HEIGHTS > 9, -9999, 400 + HEIGHTS).astype(np.float32), "-9999"),
        (np.where(HEIGHTS > 9, 2**31 - 1, 400 + HEIGHTS).astype(np.int32), "2.14748365e+09"),
    ],
)
def test_a_frequent_extreme_is_named_and_may_be_named(tmp_path, numbers, said):
    folder(tmp_path, numbers)
    (sentence,) = opened(tmp_path).warnings
    assert sentence.endswith(f"say invalid=({said},)")
    sample = opened(tmp_path, invalid=(float(numbers.flat[-1]),))
    assert sample.warnings == ()
    assert np.array_equal(sample.valid, HEIGHTS <= 9)
    assert not sample.depth[~sample.valid].any()


@pytest.mark.parametrize(
    "numbers",
    [
        (400 + HEIGHTS).astype(np.float32),
        np.where(HEIGHTS > 0, 0, 400 + HEIGHTS).astype(np.uint16),
        np.where(HEIGHTS > 0, 400.0, 388.0),
    ],
)
def test_honest_depth_has_no_warnings(tmp_path, numbers):
    assert opened(folder(tmp_path, numbers)).warnings == ()


def test_an_extreme_that_is_all_there_is_is_one_value(tmp_path):
    (sentence,) = opened(folder(tmp_path, np.full(SHAPE, 65535, np.uint16))).warnings
    assert sentence.startswith("depth is one value in all pixels")


def test_a_float_is_invalid_if_it_is_stored_as_the_number_that_is_named(tmp_path):
    numbers = np.where(HEIGHTS > 9, -9999.9, 400 + HEIGHTS).astype(np.float32)
    sample = opened(folder(tmp_path, numbers), invalid=(-9999.9, 1e300))
    assert np.array_equal(sample.valid, HEIGHTS <= 9)
    assert (
        opened(folder(tmp_path / "b", numbers.astype(np.int16)), invalid=(0.5, 70000, -9999)).valid.sum()
        == (HEIGHTS <= 9).sum()
    )


@pytest.mark.parametrize("sub", ["depth", "xyz"])
def test_many_negative_numbers_are_refused_few_are_said(tmp_path, sub):
    def put(root, z):
        numbers = z if sub == "depth" else np.dstack([HEIGHTS, HEIGHTS, z])
        return folder(root, numbers.astype(np.float32), sub=sub)

    with pytest.raises(
        FileError, match=r"4\d% of its measured numbers are negative.*depth_axis='towards'.*invalid=\(-32768,\)"
    ):
        opened(put(tmp_path / "a", HEIGHTS))
    few = 400 + HEIGHTS
    few[3, 3] = -2.5
    sample = opened(put(tmp_path / "b", few))
    assert sample.warnings == (
        "a few numbers are negative and read as 'not measured'; heights need depth_axis='towards'",
    )
    assert (~sample.valid).sum() == 1
    holes = np.where(HEIGHTS > 9, -1, 400 + HEIGHTS)
    sample = opened(put(tmp_path / "c", holes))
    assert sample.warnings == ("some pixels hold -1, which is read as 'not measured'; invalid=(-1,) says so",)
    assert np.array_equal(sample.valid, HEIGHTS <= 9)


def test_eight_bits_are_said_and_the_low_bytes_of_sixteen_refused(tmp_path):
    ramp = np.add.outer(np.arange(40), 9 * np.arange(60)) + 3000
    save(tmp_path / "rgb" / "0.png", np.arange(40 * 60 * 3, dtype=np.uint16).astype(np.uint8).reshape(40, 60, 3))
    save(tmp_path / "depth" / "0.png", (ramp / ramp.max() * 250).astype(np.uint8))
    (sentence,) = opened(tmp_path).warnings
    assert sentence.startswith("depth has 8 bits: 256 steps")
    noise = RNG.integers(0, 65536, ramp.shape)
    for numbers in (ramp, noise):
        save(tmp_path / "depth" / "0.png", (numbers & 255).astype(np.uint8))
        with pytest.raises(FileError, match="low bytes of 16-bit depth"):
            opened(tmp_path)
    edge = np.full(ramp.shape, 255)  # too far, beside a near part with holes
    edge[10:30, 10:50] = 8
    edge[15:20] = 0
    save(tmp_path / "depth" / "0.png", edge.astype(np.uint8))
    assert any("8 bits" in sentence for sentence in opened(tmp_path).warnings)


@pytest.mark.parametrize(
    ("depth", "unit", "word"),
    [
        (450.0, "m", "depth_scale=1000 and unit='m'"),
        (0.45, "mm", "unit='m'"),
        (19.0, "m", None),
        (1.5, "mm", None),
        (0.2, "cm", None),
    ],
)
@pytest.mark.parametrize("sub", ["depth", "xyz"])
def test_a_unit_that_is_wrong_by_a_thousand_is_said(tmp_path, depth, unit, word, sub):
    plane = np.where(HEIGHTS < -7, 0, depth + 0 * HEIGHTS + HEIGHTS / 1e4)
    numbers = plane if sub == "depth" else np.dstack([plane, plane, plane])
    warnings = opened(folder(tmp_path, numbers.astype(np.float32), sub=sub), unit=unit).warnings
    assert [word in sentence for sentence in warnings] == ([] if word is None else [True])


def test_options_that_are_wrong_or_do_not_go_together():
    for options, reason in (
        ({"depth_axis": "up"}, "depth_axis must be one of away, towards, opengl, got 'up'"),
        ({"invalid": 65535}, "invalid must be finite numbers"),
        ({"invalid": (np.nan,)}, "invalid must be finite numbers"),
        ({"depth_scale": "10"}, "depth_scale must be positive, got '10'"),
        ({"unit": 3}, "unit must be a name"),
        ({"depth_axis": "towards", "depth_kind": "range"}, "goes with encoding='plain' and depth_kind='z' only"),
    ):
        with pytest.raises(ParameterError, match=reason):
            Meaning(**options)


def test_a_folder_may_state_what_its_numbers_mean(tmp_path):
    folder(tmp_path, (HEIGHTS * 100).astype(np.int16))
    meaning = Meaning(depth_axis="towards", depth_scale=100.0, unit="mm", invalid=(-32768,))
    (tmp_path / "depth.json").write_text(json.dumps(meaning.stated()))
    assert open_dataset(tmp_path).meaning == meaning
    assert open_dataset(tmp_path, unit="cm").meaning.unit == "cm"
    np.testing.assert_allclose(opened(tmp_path).depth, 1000 - (HEIGHTS * 100).astype(np.int16) / 100, rtol=1e-6)
    for text, reason in (
        ('{"scale": 3}', "holds 'scale'; it may hold depth_scale, unit"),
        ('{"depth_scale": -1}', "depth_scale must be positive"),
        ("[]", "is not a JSON object"),
    ):
        (tmp_path / "depth.json").write_text(text)
        with pytest.raises(FileError, match=reason):
            open_dataset(tmp_path)
    (tmp_path / "depth.json").write_text("{}")
    with pytest.raises(ParameterError, match=r"depth_axis='opengl' is about xyz/"):
        open_dataset(tmp_path, depth_axis="opengl")
