"""The demo set: deterministic, independent of the synthesis, and defects that touch only what they should."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from das3d_aug.datasets import demo
from das3d_aug.datasets.demo import DEFECTS, FAMILIES, DemoPart, demo_plan, make_part
from das3d_aug.datasets.demo.families import build
from das3d_aug.datasets.demo.render import DEPTH_NOISE, _blurred
from das3d_aug.errors import ParameterError
from das3d_aug.randomness import Stream

ARRAYS = ("rgb", "depth", "xyz", "valid", "mask", "foreground")
EVERY_DEFECT = [(family, defect) for family in FAMILIES for defect in DEFECTS]


def digest(part: DemoPart) -> str:
    return hashlib.sha256(b"".join(getattr(part, name).tobytes() for name in ARRAYS)).hexdigest()


def module_file(module: str) -> Path | None:
    root = Path(demo.__file__).parents[3]
    for path in (root / (module.replace(".", "/") + ".py"), root / module.replace(".", "/") / "__init__.py"):
        if path.is_file():
            return path
    return None


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            assert node.level == 0, f"relative import in {path}"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_demo_set_reaches_no_code_of_the_synthesis() -> None:
    """Follow the imports of every project module the demo set reaches, however indirectly."""
    to_read, reached, outside = ["das3d_aug.datasets.demo"], set(), set()
    while to_read:
        module = to_read.pop()
        path = module_file(module)
        if path is None or module in reached:
            continue
        reached.add(module)
        for name in imports(path):
            if name.startswith("das3d"):
                to_read.append(name)
            else:
                outside.add(name.split(".")[0])
    assert reached == {
        "das3d_aug.datasets.demo",
        "das3d_aug.datasets.demo.flaws",
        "das3d_aug.datasets.demo.part",
        "das3d_aug.datasets.demo.families",
        "das3d_aug.datasets.demo.render",
        "das3d_aug.errors",
        "das3d_aug.randomness",
    }
    assert outside <= {
        "__future__",
        "collections",
        "cv2",
        "dataclasses",
        "math",
        "numpy",
        "pathlib",
        "reprlib",
        "typing",
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_same_arguments_give_the_same_bytes(family: str) -> None:
    first = digest(make_part(family, seed=5, index=3, size=64, defect="chip"))
    make_part(family, seed=6, index=9, size=64)
    assert digest(make_part(family, seed=5, index=3, size=64, defect="chip")) == first


@pytest.mark.parametrize("family", FAMILIES)
def test_index_and_seed_give_other_parts(family: str) -> None:
    parts = [make_part(family, seed=seed, index=index, size=64) for seed in (1, 2) for index in range(6)]
    areas = [int(part.foreground.sum()) for part in parts]
    assert len({digest(part) for part in parts}) == len(parts)
    assert np.std(areas) > 0.03 * np.mean(areas)


@pytest.mark.parametrize("size", [64, 96, 97, 256])
@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_dtypes_and_camera(family: str, size: int) -> None:
    part = make_part(family, seed=2, index=1, size=size, defect="hole")
    assert part.rgb.shape == part.xyz.shape == (size, size, 3)
    assert part.rgb.dtype == np.uint8
    assert part.depth.dtype == part.xyz.dtype == np.float32
    assert part.depth.shape == part.valid.shape == part.mask.shape == part.foreground.shape == (size, size)
    assert part.valid.dtype == part.mask.dtype == part.foreground.dtype == np.bool_
    np.testing.assert_array_equal(part.xyz[..., 2], part.depth)
    np.testing.assert_array_equal(part.valid, part.depth > 0)
    assert not part.xyz[~part.valid].any()
    rows, columns = np.nonzero(part.valid)
    x, y, z = part.xyz[part.valid].T.astype(np.float64)
    np.testing.assert_allclose(5 * size * x / z + size / 2 - 0.5, columns, atol=1e-3)
    np.testing.assert_allclose(5 * size * y / z + size / 2 - 0.5, rows, atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_part_is_the_same_object_at_every_resolution(family: str) -> None:
    small, large = (make_part(family, seed=4, index=2, size=size).foreground for size in (64, 192))
    enlarged = np.kron(small, np.ones((3, 3), dtype=bool))
    assert (enlarged & large).sum() > 0.93 * (enlarged | large).sum()


@pytest.mark.parametrize("family", FAMILIES)
def test_no_array_shares_memory_with_another(family: str) -> None:
    part = make_part(family, seed=1, index=1, size=64)
    arrays = [getattr(part, name) for name in ARRAYS]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plane_shows_in_raw_depth_with_the_noise_of_the_sensor(family: str) -> None:
    """The border is a plane up to the noise; it is tilted; the part stands on it, nearer to the camera."""
    tilts = []
    for index in range(6):
        part = make_part(family, seed=3, index=index, size=128)
        rows, columns = np.mgrid[:128, :128]
        basis = np.stack([columns, rows, np.ones_like(rows)], axis=-1).astype(np.float64)
        border = part.valid & ~part.foreground
        border[6:-6, 6:-6] = False
        plane = np.linalg.lstsq(basis[border], part.depth[border], rcond=None)[0]
        height = (basis @ plane - part.depth) * 1000.0
        tilts.append(np.hypot(*plane[:2]))
        assert 0.9 * DEPTH_NOISE < height[border].std() < 1.1 * DEPTH_NOISE
        assert (height[part.valid & part.foreground] > 5.0).mean() > 0.95, "removing 5 mm would remove the part"
        assert 0.8 < part.valid.mean() < 1.0
    assert np.std(tilts) > 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_good_part_has_an_empty_mask(family: str) -> None:
    part = make_part(family, seed=8, index=0, size=64)
    assert part.defect is None
    assert not part.mask.any()


@pytest.mark.parametrize(("family", "defect"), EVERY_DEFECT)
@pytest.mark.parametrize("size", [32, 128])
def test_a_defect_is_small_visible_and_where_the_mask_says(family: str, defect: str, size: int) -> None:
    for index in range(3):
        good = make_part(family, seed=9, index=index, size=size)
        bad = make_part(family, seed=9, index=index, size=size, defect=defect)
        change = np.abs(bad.rgb.astype(int) - good.rgb).max(axis=-1)
        ring = ndimage.binary_dilation(good.foreground, iterations=1)
        assert bad.defect == defect
        assert bad.mask.any()
        assert bad.mask.mean() < 0.06
        assert not (bad.mask & ~ring).any()
        assert change[bad.mask].mean() > 4.0
        assert change[bad.mask].mean() > 5.0 * change[~bad.mask].mean()


@pytest.mark.parametrize(("family", "defect"), EVERY_DEFECT)
def test_a_defect_leaves_the_depth_elsewhere_alone(family: str, defect: str) -> None:
    good = make_part(family, seed=11, index=4, size=96)
    bad = make_part(family, seed=11, index=4, size=96, defect=defect)
    far = ~ndimage.binary_dilation(bad.mask, iterations=3)
    np.testing.assert_array_equal(bad.depth[far], good.depth[far])
    np.testing.assert_array_equal(bad.foreground[far], good.foreground[far])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stain_changes_colour_only(family: str) -> None:
    good = make_part(family, seed=12, index=0, size=96)
    bad = make_part(family, seed=12, index=0, size=96, defect="stain")
    for name in ("depth", "xyz", "valid", "foreground"):
        np.testing.assert_array_equal(getattr(bad, name), getattr(good, name))
    np.testing.assert_array_equal(bad.rgb[~bad.mask].mean(axis=0).round(), good.rgb[~bad.mask].mean(axis=0).round())
    assert (bad.rgb[bad.mask] != good.rgb[bad.mask]).mean() > 0.8


@pytest.mark.parametrize(
    ("defect", "sign"),
    [("dent", 1), ("bump", -1), ("crack", 1), ("cut", 1), ("hole", 1), ("contamination", -1)],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_defect_goes_the_way_its_name_says(family: str, defect: str, sign: int) -> None:
    good = make_part(family, seed=13, index=1, size=128)
    bad = make_part(family, seed=13, index=1, size=128, defect=defect)
    seen = good.valid & bad.valid & bad.mask
    assert sign * (bad.depth - good.depth)[seen].mean() * 1000.0 > 0.2


@pytest.mark.parametrize("family", FAMILIES)
def test_contamination_lies_on_the_part_also_where_it_has_holes(family: str) -> None:
    for index in range(12):
        assert make_part(family, seed=13, index=index, size=48, defect="contamination").mask.sum() >= 2


def test_the_mask_stays_where_material_is_gone() -> None:
    gone = 0
    for index in range(8):
        bad = make_part("biscuit", seed=14, index=index, size=128, defect="chip")
        good = make_part("biscuit", seed=14, index=index, size=128)
        lost = good.foreground & ~bad.foreground
        assert bad.mask[lost].all()
        gone += int(lost.sum())
    assert gone > 20


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hole_is_millimetres_deep_and_does_not_go_through(family: str) -> None:
    for index in range(6):
        good = make_part(family, seed=15, index=index, size=128)
        bad = make_part(family, seed=15, index=index, size=128, defect="hole")
        assert (good.foreground & ~bad.foreground).mean() < 0.001
        seen = good.valid & bad.valid & bad.mask & good.foreground
        assert 2.0 < np.quantile((bad.depth - good.depth)[seen], 0.8) * 1000.0 < 6.0


@pytest.mark.parametrize("family", FAMILIES)
def test_good_parts_have_relief_and_colour_of_their_own(family: str) -> None:
    surface = build(family, Stream(1), size=128)
    inner = ndimage.binary_erosion(surface.footprint, iterations=8)
    assert surface.height[inner].std() > 0.1
    assert surface.albedo[inner].std(axis=0).min() > 0.005
    assert not surface.height[~surface.footprint].any()


def test_the_plan_counts_names_and_separates_the_splits() -> None:
    items = list(demo_plan(train=4, validation=2, good=3, per_defect=2, seed=7))
    assert Counter(item.category for item in items) == dict.fromkeys(FAMILIES, 4 + 2 + 3 + 2 * len(DEFECTS))
    folders = Counter(item.folder for item in items)
    assert folders["biscuit/train/good"] == 4
    assert folders["flange/validation/good"] == 2
    assert folders["potato/test/good"] == 3
    assert all(folders[f"{family}/test/{defect}"] == 2 for family, defect in EVERY_DEFECT)
    assert len({(item.folder, item.name) for item in items}) == len(items)
    assert len({(item.category, item.seed, item.index) for item in items}) == len(items)
    seeds = {split: {item.seed for item in items if item.split == split} for split in ("train", "validation", "test")}
    assert all(len(values) == 1 for values in seeds.values())
    assert len(set.union(*seeds.values())) == 3
    assert {item.defect for item in items if item.split != "test"} == {None}


def test_a_larger_plan_keeps_the_training_parts_of_a_smaller_one() -> None:
    small = list(demo_plan(families=("flange",), train=2, validation=0, good=0, per_defect=0, seed=7))
    large = list(demo_plan(families=("flange",), train=5, validation=3, good=1, per_defect=1, seed=7))
    assert large[:2] == small
    other = next(demo_plan(families=("flange",), seed=8))
    assert replace(other, seed=small[0].seed) == small[0] != other


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"family": "apple"}, "'apple'"),
        ({"defect": "scratch"}, "'scratch'"),
        ({"size": 31}, "31"),
        ({"size": 4096}, "4096"),
        ({"size": 64.0}, "64.0"),
        ({"seed": -1}, "-1"),
        ({"index": -2}, "-2"),
    ],
)
def test_bad_arguments_are_named_and_quoted(arguments: dict[str, object], quoted: str) -> None:
    (name,) = arguments
    whole: dict[str, object] = {"family": "biscuit", "seed": 0, "index": 0} | arguments
    with pytest.raises(ParameterError, match=f"^{name} .*{quoted}$"):
        make_part(**whole)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [({"families": ("apple",)}, "'apple'"), ({"train": -1}, "-1"), ({"good": 1.5}, "1.5")],
)
def test_a_bad_plan_fails_at_the_call(arguments: dict[str, object], quoted: str) -> None:
    (name,) = arguments
    with pytest.raises(ParameterError, match=f"^{name} .*{quoted}$"):
        demo_plan(**arguments)  # type: ignore[arg-type]


def test_a_wide_gaussian_costs_no_more_pixels_and_is_the_same():
    height = cv2.GaussianBlur(np.random.default_rng(0).random((900, 900)).astype(np.float32), (0, 0), 6) * 50
    for sigma in (30.0, 60.0, 130.0):
        exact = cv2.GaussianBlur(height, (0, 0), sigma)
        np.testing.assert_allclose(_blurred(height, sigma), exact, atol=0.02 * height.std())
