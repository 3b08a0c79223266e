"""A damaged or lying file gives an error naming the path, in under a second; the manifest catches silent flips."""

import hashlib
import json
import statistics
import time

import pytest
from helpers.dumps import RECIPE, recipes, tree, write_folder
from helpers.image_files import put
from helpers.whole_files import WHOLE

from das3d_aug.errors import FileError
from das3d_aug.generation import generate, replay
from tests.fuzz.targets import TARGETS, place, seeds


def refused(path, read):
    """Return the CPU time that the refusal took."""
    begin = time.process_time()
    with pytest.raises(FileError) as caught:
        read(path)
    took = time.process_time() - begin
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return took


def test_cut_short_every_64_bytes_or_of_another_type(tmp_path, record_property):
    count, worst = 0, 0.0
    for name, data, read in WHOLE:
        whole = []
        for _ in range(5):
            begin = time.process_time()
            read(put(tmp_path, name, data))
            whole.append(time.process_time() - begin)
        took = [refused(put(tmp_path, name, data[:cut]), read) for cut in range(0, len(data), 64)]
        for other, content, _ in WHOLE:
            if other[-3:] != name[-3:] and {other[-3:], name[-3:]} != {"ppm", "pgm"}:
                took.append(refused(put(tmp_path, name, content), read))
        # Not a second but a multiple: how long a second is depends on the machine.
        ratio = statistics.median(took) / max(statistics.median(whole), 1e-4)
        assert ratio < 5, name
        assert sorted(took)[-2] < 1000 * max(statistics.median(whole), 1e-4), name  # the first may load what says it
        count, worst = count + len(took), max(worst, *took)
    record_property(
        "figure", f"{count} damaged files of {len(WHOLE)} kinds refused by name, the slowest in {worst:.3f} s"
    )


@pytest.mark.parametrize("name", ["onnx", "task"])
def test_a_detector_in_one_file_and_a_tasks_part_cut_short(name, tmp_path):
    target = TARGETS[name]
    path, whole = place(target, tmp_path / "root"), seeds(target)[0]
    for read in target.reads:
        for cut in range(0, len(whole), 64):
            path.write_bytes(whole[:cut])
            refused(path, read)
        path.write_bytes(whole)
        read(path)


def test_the_manifest_catches_a_flipped_bit_in_every_file(tmp_path):
    out = tmp_path / "out"
    generate(write_folder(tmp_path / "parts", count=1), out, recipe=RECIPE, seed=0)
    listed = json.loads((out / "manifest.json").read_text())["sha256"]
    (recipe,) = recipes(out)
    for name in listed:
        path = out / name
        data = path.read_bytes()
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
        found = tree(out)
        assert [other for other in listed if found[other] != listed[other]] == [name]
        if name in json.loads(recipe.read_text() if path != recipe else data)["files"]:
            assert replay(recipe).differences == (f"{name}: changed on disk",)
        path.write_bytes(data)
    assert all(hashlib.sha256((out / name).read_bytes()).hexdigest() == listed[name] for name in listed)
