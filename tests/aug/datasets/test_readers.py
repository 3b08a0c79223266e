"""What holds for the reader of every layout: detection, refusals that name the file, and nothing beyond the file.

A layout is added by its line in `trees.TREES`.
"""

import hashlib
import pickle
import struct
import time
import zlib

import numpy as np
import pytest
from helpers.trees import DEPTH, MASK, RGB, TREES, XYZ, save

from das3d_aug.datasets import LAYOUTS, open_dataset
from das3d_aug.errors import FileError, ParameterError


def test_every_layout_is_here():
    assert LAYOUTS.keys() - TREES.keys() <= {"prepared", "webdataset"}  # made by this program; tests of their own


@pytest.fixture(params=TREES)
def layout(request):
    return request.param


@pytest.fixture
def tree(layout):
    return TREES[layout]


@pytest.fixture
def root(tree, tmp_path):
    tree.build(tmp_path / "root")
    return tmp_path / "root"


def entry_of(data, key):
    (entry,) = [entry for entry in data.entries if entry.key == key]
    return entry


def read(root, tree):
    data = open_dataset(root)
    return data.open(entry_of(data, tree.key))


def readable(root, tree):
    """Keys that can be read, without the sample of the tree."""
    data = open_dataset(root)
    return [data.open(entry).entry.key for entry in data.entries if entry.key != tree.key]


def refused(root, tree, path, match):
    """The sample is refused in one line which names the file, while all others are read."""
    with pytest.raises(FileError, match=match) as caught:
        read(root, tree)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)
    assert len(readable(root, tree)) == tree.count - 1


def test_the_layout_is_found_and_says_how(root, layout, tree):
    data = open_dataset(root)
    assert (data.layout, data.how, len(data)) == (layout, tree.how, tree.count)
    assert len({entry.key for entry in data.entries}) == tree.count
    sample = read(root, tree)
    assert sample.entry.files.keys() >= tree.files.keys()
    assert np.array_equal(sample.rgb, RGB // 6 * 6 if layout == "eyecandies" else RGB)
    assert np.array_equal(sample.mask, MASK)
    assert sample.mask.dtype == bool
    assert sample.shape == MASK.shape
    if tree.depth is None:
        assert sample.depth is sample.valid is None
        return
    assert sample.depth.dtype == np.float32
    assert np.array_equal(sample.depth, tree.depth)
    assert np.array_equal(sample.valid, tree.depth > 0)
    assert sample.valid.dtype == bool


def test_a_partner_that_is_turned_is_said_to_be(tmp_path):
    save(tmp_path / "rgb/0.png", np.rot90(RGB))
    save(tmp_path / "depth/0.png", DEPTH)
    with pytest.raises(FileError, match=r"\(turned by 90 degrees\? pixels are read as they are stored\)$"):
        open_dataset(tmp_path)[0]


def test_a_wrong_name_is_refused_in_one_line(root, layout):
    for other in LAYOUTS.keys() - {layout}:
        with pytest.raises(
            FileError, match=f"no known layout is found in it; it holds .*; layout='{other}' expects "
        ) as caught:
            open_dataset(root, layout=other)
        assert caught.value.path == root
        assert "\n" not in str(caught.value)
    with pytest.raises(ParameterError, match=f"colour= is not for the layout '{layout}', which takes "):
        open_dataset(root, colour=3)


@pytest.mark.parametrize("layout", [name for name, tree in TREES.items() if tree.category])
def test_a_category_alone_has_the_same_entries(root, tree):
    whole = open_dataset(root).select(category=tree.category)
    alone = open_dataset(root / tree.category)
    assert len(alone) > 0
    assert alone.entries == whole.entries


@pytest.mark.parametrize("layout", [name for name, tree in TREES.items() if tree.split])
def test_an_empty_split_is_empty(root, tree):
    split, folder = tree.split
    before = open_dataset(root)
    for path in (root / folder).rglob("*.*"):
        path.unlink()
    data = open_dataset(root)
    gone = {entry.key for entry in before.entries} - {entry.key for entry in data.entries}
    assert gone == {entry.key for entry in before.select(split=split, category=tree.category).entries} != set()
    assert len(data.select(split=split, category=tree.category)) == 0
    assert len(list(data)) == len(data) == tree.count - len(gone)


def test_listing_opens_no_image(root, tree):
    keys = [entry.key for entry in open_dataset(root).entries]
    for path in root.rglob("*.*"):
        path.write_bytes(b"not an image")
    data = open_dataset(root)
    assert [entry.key for entry in data.entries] == keys
    for entry in data.entries:
        with pytest.raises(FileError, match=r"is not a .* file"):
            data.open(entry)


def test_reading_changes_no_file(root):
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in root.rglob("*.*")}
    assert len(list(open_dataset(root))) > 0
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in root.rglob("*.*")} == before


def test_a_data_set_travels_to_worker_processes(root, tree):
    data = open_dataset(root)
    copy = pickle.loads(pickle.dumps(data))
    assert copy.entries == data.entries
    assert np.array_equal(copy.open(entry_of(copy, tree.key)).mask, MASK)
    assert copy.warnings == data.warnings == ()


def test_one_modality_needs_no_file_of_the_other(root, tree):
    both = open_dataset(root)
    for mode, there, gone in (
        ("rgb", "rgb", {"depth", "xyz", "info_depth"}),
        ("depth", "depth", {"rgb"}),
    ):
        if mode == "depth" and tree.depth is None:
            for needed in ("depth", "rgbd"):
                with pytest.raises(FileError, match=f"has no depth, which mode='{needed}' needs"):
                    open_dataset(root, mode=needed)
            continue
        broken = {tree.path(root, role): None for role in tree.files.keys() & gone}
        for path in broken:
            broken[path] = path.read_bytes()
            path.write_bytes(b"not an image")
        data = open_dataset(root, mode=mode)
        assert [entry.key for entry in data.entries] == [entry.key for entry in both.entries]
        assert not any(entry.files.keys() & gone for entry in data.entries)
        sample = data.open(entry_of(data, tree.key))
        for path, content in broken.items():
            path.write_bytes(content)
        whole = read(root, tree)
        assert np.array_equal(getattr(sample, there), getattr(whole, there))
        assert np.array_equal(sample.mask, MASK)
        assert (sample.rgb is None, sample.depth is None) == (mode == "depth", mode == "rgb")
    with pytest.raises(ParameterError, match="mode must be one of rgb, depth, rgbd, got 'both'"):
        open_dataset(root, mode="both")


def test_a_missing_file_is_named(root, tree):
    for role in tree.files.keys() - tree.optional:
        path = tree.path(root, role)
        data = path.read_bytes()
        path.unlink()
        assert len(open_dataset(root)) == tree.count
        refused(root, tree, path.with_suffix(""), f"no such {role} file")
        path.write_bytes(data)
    read(root, tree)


def test_other_sizes_are_named_with_both_files(root, tree):
    partner = tree.path(root, "rgb")
    for role in tree.files.keys() - {"rgb", "info_depth", "metadata"}:
        path = tree.path(root, role)
        data = path.read_bytes()
        save(path, XYZ[:-1] if role == "xyz" else np.zeros((9, 14), np.uint16 if role == "depth" else np.uint8))
        refused(root, tree, path, f"is 9 x 14, its partner .*{partner.name} is 10 x 14")
        path.write_bytes(data)
    read(root, tree)


def test_a_cut_file_is_named(root, tree):
    for role in tree.files:
        path = tree.path(root, role)
        data = path.read_bytes()
        # a number in YAML that has lost its last digits is still a number
        for length in (0, 1, len(data) // 3, len(data) // 2, *([] if path.suffix == ".yaml" else [len(data) - 1])):
            path.write_bytes(data[:length])
            refused(root, tree, path, "damaged|is not|is empty|expected")
        path.write_bytes(data)
    read(root, tree)


def test_a_link_that_leads_out_is_refused(root, tree, tmp_path):
    for role in tree.files:
        path = tree.path(root, role)
        outside = tmp_path / f"secret{path.suffix}"
        path.rename(outside)
        path.symlink_to(outside)
        refused(root, tree, path, "leads outside")
        path.unlink()
        outside.rename(path)
    read(root, tree)


@pytest.mark.parametrize("layout", [name for name, tree in TREES.items() if tree.poison])
def test_invalid_depth_is_invalid_and_changes_nothing_else(root, tree):
    before = read(root, tree)
    role, poison = tree.poison
    poison(tree.path(root, role))
    after = read(root, tree)
    poisoned = np.zeros((10, 14), bool)
    poisoned[3, 3:6] = True
    assert not after.valid[poisoned].any()
    assert np.array_equal(after.valid[~poisoned], before.valid[~poisoned])
    if "info_depth" not in tree.files:  # there the scale has changed
        assert np.array_equal(after.depth[~poisoned], before.depth[~poisoned])
    assert (after.depth[after.valid] > 0).all()
    assert np.isfinite(after.depth[after.valid]).all()


def bomb(suffix):
    """A small file that declares a huge image."""
    if suffix == ".png":
        chunks = [(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b""))]
        chunks.append((b"IEND", b""))
        packed = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
        return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
    if suffix == ".tiff":
        return (
            struct.pack("<2sHIH", b"II", 42, 8, 9)
            + b"".join(
                struct.pack("<HHII", tag, 4, 1, value)
                for tag, value in (
                    *((256, 60000), (257, 60000), (258, 32), (259, 1), (262, 2)),
                    *((273, 8), (277, 3), (278, 60000), (279, 100)),
                )
            )
            + bytes(4)
        )
    assert suffix == ".yaml"
    return b"a: 1\n" * 10**6


def test_a_bomb_is_refused_at_once(root, tree):
    for role in tree.files:
        path = tree.path(root, role)
        data = path.read_bytes()
        path.write_bytes(bomb(path.suffix))
        start = time.perf_counter()
        refused(root, tree, path, "60000 x 60000 pixels are declared|holds 5000000 bytes; at most")
        assert time.perf_counter() - start < 5  # decoding would take much longer
        path.write_bytes(data)
    read(root, tree)
