"""What is learnt from: keyed by (seed, epoch, index) alone, made by das3d_aug, shared among processes."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import multiprocessing

import numpy as np
import pytest
import torch
from helpers.holes import NORMALS, sample_with_holes
from helpers.runs import CONFIG, source
from torch.nn import functional
from torch.utils.data import DataLoader

from das3d_aug import synthesize
from das3d_aug.datasets.prepared import Normalisation
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import encode_png
from das3d_ref.model.inputs import to_item
from das3d_ref.training.examples import SyntheticAnomalies, check_items

KEYS = [(epoch, index) for epoch in range(2) for index in range(6)]


def items(config=CONFIG, split="train"):
    found = source(config)
    return [found.item(entry, found.depth_range(config)) for entry in getattr(found, split)]


def anomalies(config=CONFIG, *, seed=3, crop=0):
    return SyntheticAnomalies(items(config), config, seed=seed, crop=crop)


def digest(example):
    values = hashlib.sha256()
    for name in sorted(example):
        values.update(name.encode() + example[name].numpy().tobytes())
    return values.hexdigest()


def in_another_process(keys):
    return [digest(anomalies(NORMALS, crop=32)[key]) for key in keys]


def test_an_example_depends_on_its_key_alone():
    made = anomalies(NORMALS, crop=32)
    expected = [digest(made[key]) for key in KEYS]
    assert len(set(expected)) == len(KEYS)
    assert [digest(made[key]) for key in reversed(KEYS)] == expected[::-1]
    batches = [[key] for key in KEYS]
    for workers in (1, 2):
        loader = DataLoader(made, batch_sampler=batches, num_workers=workers)
        assert [digest({name: image[0] for name, image in batch.items()}) for batch in loader] == expected
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(in_another_process, KEYS).result() == expected


def test_another_seed_or_epoch_is_another_example():
    one, other = anomalies(seed=3), anomalies(seed=3 + 2**63)  # of the validation, where the first is of the training
    digests = [digest(made[epoch, 0]) for made in (one, other) for epoch in range(8)]
    assert len(set(digests)) > 8  # some stay normal by dropout
    assert not {digest(one[key]) for key in KEYS if one[key]["mask"].any()} & {digest(other[key]) for key in KEYS}


def test_patches_come_from_another_item():
    pasted = dataclasses.replace(CONFIG.synthesis, kinds={"paste": 1}, size=(0.5, 0.8), dropout=0.0, relight=False)
    config = dataclasses.replace(CONFIG, synthesis=pasted)
    given = dataclasses.replace(config, data=dataclasses.replace(config.data, donors=True))
    normal = items(config)
    tones = [np.full_like(item.sample.rgb, 40 * k) for k, item in enumerate(normal)]
    toned = [
        dataclasses.replace(item, sample=dataclasses.replace(item.sample, rgb=tone))
        for item, tone in zip(normal, tones, strict=True)
    ]
    own, other = (SyntheticAnomalies(toned, one, seed=3, crop=0) for one in (config, given))
    seen = [set(np.rint(255 * other[epoch, 1]["rgb"].numpy()).ravel().tolist()) - {0, 40} for epoch in range(6)]
    assert len(set().union(*seen)) > 1  # of several others, as each epoch draws
    assert all(len(tones) < 2 for tones in seen)  # and in one example of one
    assert digest(other[0, 1]) == digest(other[0, 1])
    assert set(np.rint(255 * own[0, 1]["rgb"].numpy()).ravel().tolist()) <= {0, 40}
    alone = SyntheticAnomalies(toned[:1], given, seed=3, crop=0)
    assert digest(alone[0, 0]) == digest(SyntheticAnomalies(toned[:1], config, seed=3, crop=0)[0, 0])


def test_an_example_is_what_das3d_aug_makes():
    made, found = anomalies(), items()
    changed = 0
    for epoch, index in KEYS:
        item, example = found[index], made[epoch, index]
        sample = item.sample
        pair = synthesize(
            sample.rgb,
            sample.depth,
            recipe=CONFIG.synthesis,
            seed=3,
            index=index,
            epoch=epoch,
            foreground=sample.foreground,
        )
        np.testing.assert_array_equal(example["mask"][0].numpy() == 1, pair.mask)
        through = pair.mask.astype(bool) & (pair.depth > sample.depth[sample.valid].max())
        seen = pair.rgb if pair.plan.drop_rgb else np.where(through[..., None], 0, pair.rgb)
        np.testing.assert_array_equal(np.rint(example["rgb"].numpy() * 255), seen.transpose(2, 0, 1))
        np.testing.assert_array_equal(np.rint(example["normal_rgb"].numpy() * 255), sample.rgb.transpose(2, 0, 1))
        valid = sample.valid
        wanted = item.normalisation.apply(pair.depth)[valid].clip(0, 1)
        np.testing.assert_array_equal(example["depth"][0].numpy()[valid], wanted)
        normal = item.normalisation.apply(sample.depth)[valid].clip(0, 1)
        np.testing.assert_array_equal(example["normal_depth"][0].numpy()[valid], normal)
        changed += pair.mask.any()
    assert changed >= 4


def test_nothing_changes_outside_the_mask():
    made = anomalies()
    for key in KEYS:
        example = made[key]
        outside = example["mask"][0] == 0
        assert torch.equal(example["rgb"][:, outside], example["normal_rgb"][:, outside])
        outside &= torch.from_numpy(made.items[key[1]].sample.valid)  # a hole takes the depth of its neighbour
        assert torch.equal(example["depth"][:, outside], example["normal_depth"][:, outside])


def test_a_defect_deeper_than_the_part_is_a_hole_as_the_preparation_leaves_it():
    deep = ["synthesis.magnitude=[3.0, 3.0]", "synthesis.bump_magnitude=[0, 0]"]
    config = NORMALS.override([*deep, "synthesis.beta=[1, 1]"])  # no texture to be seen
    made = anomalies(config)
    holes = 0
    for epoch in range(8):
        for index, item in enumerate(made.items):
            example = made[epoch, index]
            background = torch.from_numpy(item.sample.valid & ~item.sample.foreground)
            hole = example["mask"][0].bool() & (example["depth"][0] == 1) & ~background
            hole &= (example["rgb"] == 0).all(0) & torch.from_numpy(item.sample.foreground)
            wall = functional.max_pool2d(1 - hole[None].float(), 3, 1, 1)[0].bool()
            facing = torch.tensor([0.5, 0.5, 0.0])[:, None]
            assert torch.equal(example["depth"][1:][:, hole & ~wall], facing.expand(3, int((hole & ~wall).sum())))
            holes += int(hole.sum())
    assert holes > 100
    for index, item in enumerate(made.items):  # where no background was removed, deeper is only deeper
        everything = dataclasses.replace(item.sample, foreground=item.sample.valid)
        made.items[index] = dataclasses.replace(item, sample=everything)
        example = made[0, index]
        assert torch.equal((example["rgb"] == 0).all(0), (example["normal_rgb"] == 0).all(0))


def test_textures_come_from_where_the_settings_say(tmp_path):
    flat = ["synthesis.texture_operations=0", "synthesis.beta=[0, 0]", "synthesis.dropout=0"]
    plain = anomalies(CONFIG.override([*flat, 'data.textures=["plain"]']))
    colours = set()
    for key in KEYS:
        seen = plain[key]["rgb"][:, plain[key]["mask"][0].bool()]
        colours |= {tuple(colour) for colour in seen.unique(dim=1).T.tolist()}
        assert len(seen.unique(dim=1).T) <= 2  # the texture's, and black where the defect is a hole
    assert len(colours) > 2
    (tmp_path / "a.png").write_bytes(encode_png(np.full((9, 9, 3), (10, 20, 30), np.uint8)))
    own = anomalies(CONFIG.override([*flat, f'data.textures=["{tmp_path}"]']))[0, 0]
    assert (own["rgb"][:, own["mask"][0].bool()].T * 255).round().unique(dim=0).tolist()[-1] == [10, 20, 30]
    with pytest.raises(FileError, match="is not a folder"):
        anomalies(CONFIG.override(['data.textures=["nowhere"]']))
    with pytest.raises(ParameterError, match=r"data\.textures must be a list of names or folders"):
        CONFIG.override(["data.textures=[]"])


def test_a_crop_is_the_same_part_of_every_image():
    whole, cropped = anomalies(NORMALS), anomalies(NORMALS, crop=20)
    places = set()
    for key in KEYS:
        example, small = whole[key], cropped[key]
        size = example["mask"].shape[1]
        found = [
            (top, left)
            for top in range(size - 19)
            for left in range(size - 19)
            if all(torch.equal(small[n], image[:, top : top + 20, left : left + 20]) for n, image in example.items())
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 6


def test_items_of_several_sizes_are_refused_unless_cropped_alike():
    sample = sample_with_holes()
    small = dataclasses.replace(
        sample,
        entry=dataclasses.replace(sample.entry, key="small"),
        rgb=sample.rgb[:20],
        depth=sample.depth[:20],
        valid=sample.valid[:20],
        foreground=sample.valid[:20],
    )
    pair = [to_item(dataclasses.replace(sample, foreground=sample.valid), Normalisation(1, 2))]
    pair += [to_item(small, Normalisation(1, 2))]
    with pytest.raises(ParameterError, match=r"holes: is 24 x 30, small is 20 x 30; set preparation\.size"):
        check_items(pair, CONFIG)
    check_items(pair, CONFIG.override(["data.crop=20"]))
    tiny = dataclasses.replace(pair[0].sample, **{n: getattr(pair[0].sample, n)[:9] for n in ("rgb", "depth", "valid")})
    tiny = dataclasses.replace(tiny, foreground=tiny.valid)
    with pytest.raises(ParameterError, match="holes: is 9 x 30; a side needs at least 16 pixels"):
        check_items([to_item(tiny, Normalisation(1, 2))], CONFIG)


def test_an_item_without_a_place_for_a_defect_is_named():
    sample = sample_with_holes()
    empty = dataclasses.replace(sample, foreground=np.zeros(sample.valid.shape, bool))
    with pytest.raises(ParameterError, match="holes: foreground is empty"):
        check_items([to_item(empty, Normalisation(1, 2))], CONFIG)
