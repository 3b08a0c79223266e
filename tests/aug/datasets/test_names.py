"""The rule of names in every layout of folders, and that nothing is dropped in silence."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.trees import DEPTH, MASK, RGB, WHITE, XYZ, mvtec, mvtec_ad, own_images, save

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.listing import natural
from das3d_aug.datasets.names import affix, core, is_normal, role_of, split_of
from das3d_aug.errors import FileError


def rgbd(folder, name="000", *, depth=True):
    save(folder / "rgb" / f"{name}.png", RGB)
    if depth:
        save(folder / "depth" / f"{name}.png", DEPTH)


def labelled(root, *, good="good", train="train", test="test", mask="mask/000.png"):
    """Own images below splits; one defect with a mask."""
    rgbd(root / train / good)
    rgbd(root / test / good)
    rgbd(root / test / "scratch")
    if mask:
        save(root / test / "scratch" / mask, WHITE)
    return root


@pytest.mark.parametrize("good", ["good", "Good", "GOOD", "ok", "OK", "Ok", "normal", "Normal", "NORMAL"])
def test_normal_by_any_of_its_names(tmp_path, good):
    own = open_dataset(labelled(tmp_path / "own", good=good))
    assert {entry.key: entry.label for entry in own.entries} == {
        f"own/train/{good}/000": 0,
        f"own/test/{good}/000": 0,
        "own/test/scratch/000": 1,
    }
    assert own.warnings == ()
    save(tmp_path / "ad" / "train" / good / "0.png", RGB)
    save(tmp_path / "ad" / "test" / "dent" / "0.png", RGB)
    assert {entry.defect: entry.label for entry in open_dataset(tmp_path / "ad").entries} == {good: 0, "dent": 1}


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(("train", "train"), ("Train", "train"), ("training", "train"), ("test", "test"), ("TEST", "test")),
        *((name, "validation") for name in ("val", "Val", "valid", "validation", "VALIDATION")),
    ],
)
def test_splits_by_any_of_their_names(tmp_path, folder, split):
    rgbd(tmp_path / "own" / folder / "good")
    save(tmp_path / "ad" / folder / "good" / "000.png", RGB)
    save(tmp_path / "three" / folder / "good" / "rgb" / "000.png", RGB)
    save(tmp_path / "three" / folder / "good" / "xyz" / "000.tiff", XYZ)
    for name, layout in (("own", "folder"), ("ad", "mvtec_ad"), ("three", "mvtec3d")):
        data = open_dataset(tmp_path / name)
        assert data.layout == layout
        (entry,) = data.entries
        assert (entry.key, entry.split, entry.label) == (f"{name}/{folder}/good/000", split, 0)


@pytest.mark.parametrize("folder", ["mask", "masks", "Mask", "gt", "GT", "ground_truth", "Ground_Truth", "groundtruth"])
@pytest.mark.parametrize("name", ["000", "000_mask", "000_gt", "mask_000", "000-mask", "000_Mask", "000_ground_truth"])
def test_masks_by_any_of_their_names(tmp_path, folder, name):
    data = open_dataset(labelled(tmp_path, mask=f"{folder}/{name}.png"))
    (bad,) = data.select(label=1)
    assert np.array_equal(bad.mask, MASK)
    assert data.warnings == ()
    assert not any(sample.mask.any() for sample in data.select(label=0))


@pytest.mark.parametrize("place", ["ground_truth/scratch/000_mask.png", "Masks/test/scratch/000.png"])
def test_masks_where_mvtec_ad_has_them(tmp_path, place):
    save(labelled(tmp_path, mask=None) / place, WHITE)
    data = open_dataset(tmp_path)
    (bad,) = data.select(label=1)
    assert np.array_equal(bad.mask, MASK)
    assert data.warnings == ()


@pytest.mark.parametrize("folder", ["masks", "ground_truth", "Gt"])
def test_mvtec_3d_with_other_mask_folders(tmp_path, folder):
    for path in sorted(mvtec(tmp_path).rglob("gt")):
        path.rename(path.with_name(folder))
    data = open_dataset(tmp_path)
    assert data.layout == ("adam3d" if folder == "ground_truth" else "mvtec3d")
    assert all(np.array_equal(sample.mask, MASK) for sample in data.select(label=1))
    assert data.warnings == ()


def test_of_several_mask_folders_one_is_read_and_the_others_are_named(tmp_path):
    save(labelled(tmp_path) / "test/scratch/gt/000.png", WHITE * 0)
    data = open_dataset(tmp_path)
    (bad,) = data.select(label=1)
    assert np.array_equal(bad.mask, MASK)
    assert data.warnings == ("test/scratch/gt/: not read, since mask/ is there too",)


def test_two_masks_of_one_image_are_refused(tmp_path):
    save(labelled(tmp_path) / "test/scratch/mask/000_mask.png", WHITE)
    with pytest.raises(FileError, match=r"000_mask\.png: and .*mask/000\.png could both belong to sample '000'"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("colour", "depth", "key"),
    [
        ("000", "000", "000"),
        ("color_0001", "depth_0001", "0001"),
        ("Color_0001", "Depth_0001", "0001"),
        ("rgb_1", "depth_1", "1"),
        ("image1", "depth1", "1"),
        ("IMG-7", "depth-7", "7"),
        ("7_color", "7_depth", "7"),
        ("part 7.rgb", "part 7.depth", "part 7"),
        ("0001", "depth_0001", "0001"),
        ("0001_rgb", "0001", "0001"),
        ("rgb_01", "rgb_01", "rgb_01"),  # equal stems need no rule
    ],
)
def test_pairs(tmp_path, colour, depth, key):
    save(tmp_path / "two" / "color" / f"{colour}.png", RGB)
    save(tmp_path / "two" / "depth" / f"{depth}.png", DEPTH)
    save(tmp_path / "two" / "masks" / f"{colour}_mask.png", WHITE)
    save(tmp_path / "two" / "foreground" / f"{key}.png", WHITE)
    data = open_dataset(tmp_path / "two")
    (sample,) = data
    assert (sample.entry.key, data.warnings) == (key, ())
    assert np.array_equal(sample.depth, DEPTH)
    assert np.array_equal(sample.mask, MASK)
    assert np.array_equal(sample.foreground, MASK)
    if colour != depth:
        save(tmp_path / "one" / f"{colour}.png", RGB)
        if core(depth, "depth"):
            save(tmp_path / "one" / f"{depth}.png", DEPTH)
        else:
            save(tmp_path / "one" / f"{depth}.npy", DEPTH)
        (sample,) = open_dataset(tmp_path / "one")
        assert sample.entry.key == key
        assert np.array_equal(sample.rgb, RGB)
        assert np.array_equal(sample.depth, DEPTH)


def test_one_folder_with_clouds_or_letters_or_words_alone(tmp_path):
    save(tmp_path / "a" / "scan_1.png", RGB)
    save(tmp_path / "a" / "xyz_scan_1.npy", XYZ)
    (sample,) = open_dataset(tmp_path / "a")
    assert (sample.entry.key, sample.xyz.shape) == ("scan_1", XYZ.shape)
    save(tmp_path / "b" / "pcd0100r.png", RGB)
    save(tmp_path / "b" / "pcd0100d.tiff", DEPTH.astype(np.float32))
    (sample,) = open_dataset(tmp_path / "b")
    assert (sample.entry.key, sample.depth[5, 5]) == ("pcd0100", DEPTH[5, 5])
    save(tmp_path / "c" / "color.png", RGB)
    save(tmp_path / "c" / "depth.png", DEPTH)
    (sample,) = open_dataset(tmp_path / "c")
    assert (sample.entry.key, sample.depth[5, 5]) == ("c", DEPTH[5, 5])
    for name in ("view2d", "view3d"):  # the letter alone says nothing
        save(tmp_path / "d" / f"{name}.png", RGB)
    assert [sorted(entry.files) for entry in open_dataset(tmp_path / "d").entries] == [["rgb"], ["rgb"]]


def test_names_that_could_mean_one_sample_twice_are_refused(tmp_path):
    for name in ("0001", "color_0001"):
        save(tmp_path / "rgb" / f"{name}.png", RGB)
    save(tmp_path / "depth" / "depth_0001.png", DEPTH)
    with pytest.raises(FileError, match=r"could both belong to sample '0001'; rename or remove one"):
        open_dataset(tmp_path)
    save(tmp_path / "depth" / "0001.png", DEPTH)
    with pytest.raises(FileError, match=r"could both belong to sample '0001'"):
        open_dataset(tmp_path)


def test_folders_and_extensions_in_any_case(tmp_path):
    for folder, name in (("RGB", "a.PNG"), ("Depth", "a.TIFF"), ("Mask", "a.Png")):
        array = {"RGB": RGB, "Depth": DEPTH, "Mask": WHITE}[folder]
        lower = save(tmp_path / folder / name.lower(), array)
        lower.rename(tmp_path / folder / name)
    data = open_dataset(tmp_path)
    (sample,) = data
    assert data.how == "RGB/ beside Depth/"
    assert np.array_equal(sample.mask, MASK)
    save(tmp_path / "rgb" / "b.png", RGB)
    save(tmp_path / "color" / "a.png", RGB)
    both = open_dataset(tmp_path)
    assert both.how == "rgb/ beside Depth/"
    assert both.warnings[0] == "RGB/, color/: not read, since rgb/ is there too"


def test_a_jpeg_mask_is_read_at_half_of_white_and_said(tmp_path):
    root = labelled(tmp_path, mask=None)
    path = root / "test/scratch/mask/000.jpg"
    path.parent.mkdir()
    large = np.kron(WHITE, np.ones((8, 8), np.uint8))
    for folder, array in (
        ("rgb", np.kron(RGB, np.ones((8, 8, 1), np.uint8))),
        ("depth", np.kron(DEPTH, np.ones((8, 8), np.uint16))),
    ):
        save(root / "test/scratch" / folder / "000.png", array)
    assert cv2.imwrite(str(path), large)
    (bad,) = open_dataset(root).select(label=1)
    assert np.array_equal(bad.mask, large > 0)
    assert bad.warnings == ("mask is a JPEG, which blurs: what is at least 128 of 255 is marked",)
    assert cv2.imwrite(str(path), large // 64)  # a mask of 0 and 3: no threshold tells them from noise
    with pytest.raises(FileError, match=r"000\.jpg: is a JPEG with nothing above \d+ of 255; store such a mask as PNG"):
        list(open_dataset(root).select(label=1))


def said(root):
    (sentence,) = open_dataset(root).warnings
    return sentence


def test_what_matches_nothing_is_named(tmp_path):
    def fresh(name):
        return labelled(tmp_path / name)

    save(fresh("a") / "test/scratch/mask/007.png", WHITE)
    assert said(tmp_path / "a") == "test/scratch/mask/007.png: mask without an image of this name"
    rgbd(fresh("b") / "test/scratch", "001")
    assert said(tmp_path / "b") == "test/scratch/rgb/001.png: anomalous image without a mask"
    save(fresh("c") / "train/good/depth/080.png", DEPTH)
    assert said(tmp_path / "c") == "train/good/depth/080.png: depth without rgb of this name"
    rgbd(fresh("d") / "train/good", "080", depth=False)
    assert said(tmp_path / "d") == "train/good/rgb/080.png: rgb without depth of this name"
    (fresh("e") / "train/good/depth/080.heic").touch()
    assert said(tmp_path / "e").startswith(
        "train/good/depth/080.heic: there, but not of a type that is read here (.png, "
    )
    for wrong in ("mask", "test/mask", "depth"):
        save(fresh(f"f {wrong}") / wrong / "000.png", WHITE)
        assert said(tmp_path / f"f {wrong}").startswith(f"{wrong}/: ")
    save(fresh("g") / "test/scratch/labels/000.png", WHITE)
    assert said(tmp_path / "g") == (
        "test/scratch/labels/: not read, since it is no rgb/, depth/, xyz/, mask/ or foreground/"
    )
    rgbd(fresh("h") / "eval/good")
    assert said(tmp_path / "h") == "eval/: not read, since it is no split (train, validation, test)"
    save(fresh("i") / "test/scratch/000.png", RGB)
    assert said(tmp_path / "i").startswith("test/scratch/000.png: not read, since it lies beside rgb/, depth/")
    rgbd(fresh("j") / "train/gut")
    assert "train/gut/: counts as a defect" in open_dataset(tmp_path / "j").warnings[0]
    save(fresh("k") / "test/dent/000.png", RGB)
    assert said(tmp_path / "k") == "test/dent/: holds no rgb/, depth/ or xyz/ with files"


def test_the_same_in_the_layouts_of_mvtec(tmp_path):
    save(mvtec_ad(tmp_path / "ad") / "bottle/ground_truth/color/z_mask.png", WHITE)
    (tmp_path / "ad/bottle/test/good/b.webp").touch()
    save(tmp_path / "ad/bottle/masks/000.png", WHITE)
    sentences = "\n".join(open_dataset(tmp_path / "ad").warnings)
    for part in ("color/z_mask.png: mask without an image", "good/b.webp: there, but", "bottle/masks/: not read here"):
        assert part in sentences
    (mvtec(tmp_path / "3d") / "bagel/test/hole/gt/001.png").unlink()
    save(tmp_path / "3d/bagel/test/hole/labels/0.png", WHITE)
    save(tmp_path / "3d/bagel/test/color/0.png", RGB)
    sentences = "\n".join(open_dataset(tmp_path / "3d").warnings)
    for part in ("hole/rgb/001.png: anomalous image without a mask", "hole/labels/: not read", "test/color/: holds no"):
        assert part in sentences


def test_the_sentences_are_bounded(tmp_path):
    root = own_images(tmp_path)
    for k in range(40):
        (root / "depth" / f"{k}.heic").touch()
        (root / "mask").mkdir(exist_ok=True)
        save(root / "mask" / f"x{k}.png", WHITE)
        (root / "rgb" / f"{k}.a{k}").touch()
    sentences = open_dataset(root).warnings
    assert len(sentences) == 3
    assert sum(map(len, sentences)) < 600
    assert any(
        line.startswith("mask/x0.png, mask/x1.png, mask/x2.png … and 37 more: mask without") for line in sentences
    )


def test_notes_and_hidden_files_are_not_worth_a_word(tmp_path):
    root = own_images(tmp_path)
    for name in ("README.md", "rgb/000.json", "rgb/Thumbs.db", "depth/.000.png.7.partial", "rgb/desktop.ini"):
        (root / name).touch()
    (root / "rgb" / ".cache").mkdir()
    assert open_dataset(root).warnings == ()


def test_an_unknown_folder_says_what_it_holds_and_what_is_expected_in_one_short_sentence(tmp_path):
    (tmp_path / "lots").mkdir()
    for name in ("a.exe", "b.exe"):
        (tmp_path / name).touch()
    expected = r"; expected is rgb/ beside depth/ .*, or one of docs/how-to/layouts\.md$"
    for folder, holds in ((tmp_path, r"lots/, 2 \.exe"), (tmp_path / "lots", "nothing")):
        with pytest.raises(FileError, match=rf"no known layout is found in it; it holds {holds}{expected}") as caught:
            open_dataset(folder)
        assert len(caught.value.reason) < 240
    assert (Path(__file__).parents[3] / "docs/how-to/layouts.md").is_file()


def test_a_layout_nearby_is_named(tmp_path):
    for group in ("train/good", "train/dent", "test/good"):
        for folder in ("rgb", "depth"):
            save(tmp_path / "sets/parts" / group / folder / "a.png", RGB if folder == "rgb" else DEPTH)
    for folder, near in ((".", "sets"), ("sets/parts/train", "sets/parts")):
        with pytest.raises(FileError, match=f"there is one in {tmp_path / near}: give that folder") as caught:
            open_dataset(tmp_path / folder)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("good", "bad"), [("OK", "NG"), ("good", "bad"), ("normal", "broken")])
def test_good_beside_bad_is_no_advice_to_take_the_bad(tmp_path, good, bad):
    for folder in (good, bad):
        save(tmp_path / folder / "a.png", RGB)
    with pytest.raises(
        FileError, match=rf"one each: give one of these, such as .*/{good}, or put them into train/ and"
    ):
        open_dataset(tmp_path)


def test_names_that_are_not_utf_8(tmp_path):
    for folder in ("rgb", "depth"):
        (tmp_path / folder).mkdir()
        path = save(tmp_path / folder / "x.png", RGB if folder == "rgb" else DEPTH)
        path.rename(os.fsdecode(os.fsencode(tmp_path / folder) + b"/caf\xe9.png"))
    os.close(os.open(os.fsencode(tmp_path) + b"/rgb/\xff.b\xe9d", os.O_CREAT))
    data = open_dataset(tmp_path)
    (sample,) = data
    assert sample.entry.key == "caf%E9"
    assert np.array_equal(sample.depth, DEPTH)
    assert data.warnings[0].startswith("rgb/%FF.b%E9d: there, but not of a type")
    "".join((*data.warnings, data.how, sample.entry.key)).encode()
    save(tmp_path / "rgb" / "caf%E9.png", RGB)
    save(tmp_path / "depth" / "caf%E9.png", DEPTH)
    with pytest.raises(FileError, match="have one key, 'caf%E9'; rename one"):
        open_dataset(tmp_path)


def test_odd_digits_sort(tmp_path):
    names = ["1", "²", "m²", "٢", "١٠", "½", "10", "2", "x٣y", "x3y", "", "²3", "3²", "१२"]
    ordered = sorted(names, key=natural)
    assert ordered.index("٢") < ordered.index("١٠")
    assert ordered.index("2") < ordered.index("10")
    own_images(tmp_path, names=[name for name in names if name])
    assert [entry.key for entry in open_dataset(tmp_path).entries] == [name for name in ordered if name]


def test_the_words_of_the_rule():
    assert (split_of("Val"), split_of("validate"), is_normal("not_ok"), is_normal("OK")) == (
        "validation",
        None,
        False,
        True,
    )
    assert (role_of("Ground Truth"), role_of("xyz"), role_of("labels")) == (("mask", 3), ("xyz", 0), None)
    assert core("depth_1", "depth") == "1"
    assert core("depths", "depth") is None
    assert core("imagery_1", "rgb") is None
    assert affix("depth_1_mask", []) == ("mask", "depth_1")
    assert affix("deep", []) is None
