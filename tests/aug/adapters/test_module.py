"""The synthesis as a module, as kornia's, torchvision's and anomalib's are used."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from helpers.pairs import pair
from torch import nn
from torch.utils.data import DataLoader, Dataset

from das3d_aug import ForegroundError, ParameterError, Recipe, synthesize
from das3d_aug.adapters import AnomalyModule

COUNT = 3
SURE = Recipe(dropout=0.0)


def batch(dtype=torch.float32):
    rgbs, depths = zip(*(pair(48, 60, seed=k) for k in range(COUNT)), strict=True)
    images = torch.from_numpy(np.stack(rgbs)).movedim(-1, 1)
    depth = torch.from_numpy(np.stack(depths))[:, None]
    return (images if dtype is torch.uint8 else (images / 255).to(dtype)), depth


def test_each_sample_has_the_bytes_of_synthesize_and_each_call_the_next_ones():
    images, depths = batch(torch.uint8)
    module = AnomalyModule(SURE, seed=5)
    for call in range(2):
        made, moved, masks = module(images, depths)
        for k in range(COUNT):
            one = synthesize(
                images[k].movedim(0, -1).numpy(), depths[k, 0].numpy(), recipe=SURE, seed=5, index=call * COUNT + k
            )
            np.testing.assert_array_equal(made[k].movedim(0, -1), one.rgb)
            np.testing.assert_array_equal(moved[k, 0], one.depth)
            np.testing.assert_array_equal(masks[k, 0], one.mask)
        assert masks.any()
    assert module.drawn == 2 * COUNT


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_images_keep_their_dtype_and_what_is_not_anomalous_its_bits(dtype):
    images, _ = batch(dtype)
    before = images.clone()
    made, masks = AnomalyModule(SURE)(images)
    assert torch.equal(images, before)
    assert (made.dtype, made.shape, masks.dtype, masks.shape) == (
        dtype,
        images.shape,
        torch.float32,
        (COUNT, 1, 48, 60),
    )
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    apart = (made != images).any(dim=1, keepdim=True)
    assert not (apart & (masks == 0)).any()
    assert apart.sum() > 0.9 * masks.sum()


def test_masks_are_float32_whatever_the_default_is():
    torch.set_default_dtype(torch.float64)
    try:
        assert AnomalyModule(SURE)(batch()[0])[1].dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_rounding_to_the_dtype_undoes_is_not_marked():
    images, depths = batch(torch.bfloat16)
    depths = depths.bfloat16()
    module = AnomalyModule(Recipe(kinds={"stain": 1, "flat": 1}, contrast=(0.01, 0.02), softness=(4, 4), dropout=0.0))
    undone = marked = 0
    for _ in range(8):
        fine = copy.deepcopy(module)(images.float(), depths.float())[2]
        made, moved, masks = module(images, depths)
        apart = (made != images).any(dim=1, keepdim=True) | (moved != depths)
        assert torch.equal(apart, masks == 1)
        undone += int(fine.sum() - masks.sum())
        marked += int(masks.sum())
    assert undone > 0
    assert marked > 0


def test_rounding_of_a_resize_is_no_fault_and_stays_where_nothing_is_anomalous():
    images, _ = batch()
    images = images * (1 + 2e-4) - 1e-4
    made, masks = AnomalyModule(SURE)(images)
    assert torch.equal(made.masked_select(masks == 0), images.masked_select(masks == 0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_depth_alone_and_its_dtype(dtype):
    depths = batch()[1].to(dtype)
    nothing, moved, masks = AnomalyModule(Recipe(dropout=0.0, magnitude=(0.3, 0.3)))(None, depths)
    assert nothing is None
    assert (moved.dtype, moved.shape) == (dtype, depths.shape)
    assert ((moved != depths) <= (masks == 1)).all()
    assert (moved != depths).any()


def test_grey_and_single_images_keep_their_shape():
    images, depths = batch()
    made, masks = AnomalyModule(SURE)(images[:, :1])
    assert made.shape == (COUNT, 1, 48, 60)
    assert (made != images[:, :1])[masks == 1].any()
    whole = AnomalyModule(SURE)(images, depths)
    single = AnomalyModule(SURE)(images[0], depths[0])
    assert all(torch.equal(one, many[0]) for one, many in zip(single, whole, strict=True))


def test_in_eval_images_pass_through_unless_told_otherwise():
    images, depths = batch()
    module = AnomalyModule(SURE).eval()
    made, moved, masks = module(images, depths)
    assert made is images
    assert moved is depths
    assert torch.equal(masks, torch.zeros(COUNT, 1, 48, 60))
    assert module.drawn == 0
    again = AnomalyModule(SURE, in_eval=True).eval()(images, depths)
    assert all(torch.equal(one, other) for one, other in zip(again, module.train()(images, depths), strict=True))


def test_it_is_a_part_of_a_model_that_leaves_no_trace_in_it():
    images, _ = batch()
    model = nn.Sequential(nn.Upsample(scale_factor=2), AnomalyModule(SURE))
    made, masks = model(images)
    assert made.shape[2:] == masks.shape[2:] == (96, 120)
    assert not list(model.parameters())
    assert not model.state_dict()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(images)[0], copy.deepcopy(model)(images)[0])


def test_gradients_reach_what_is_not_anomalous():
    images, _ = batch()
    made, masks = AnomalyModule(SURE)(images.requires_grad_())
    made.sum().backward()
    assert torch.equal(images.grad, (1 - masks).expand_as(images))


def test_compiled_models_run_it_as_it_is():
    images, _ = batch()
    compiled = torch.compile(nn.Sequential(nn.Identity(), AnomalyModule(SURE)), backend="eager")
    made, masks = compiled(images)
    wanted = AnomalyModule(SURE)(images)
    assert torch.equal(made, wanted[0])
    assert torch.equal(masks, wanted[1])


class Augmented(Dataset[torch.Tensor]):
    def __init__(self):
        self.module = AnomalyModule(Recipe(area=(0.05, 0.08)))
        self.image = batch()[0][0]

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return self.module(self.image)[1]


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_and_epochs_draw_apart(persistent):
    def masks():
        loader = DataLoader(
            Augmented(),
            num_workers=2,
            multiprocessing_context="fork",
            persistent_workers=persistent,
            generator=torch.Generator().manual_seed(0),
        )
        return [mask.numpy().tobytes() for _ in range(2) for mask in loader]

    found = masks()
    assert len(set(found)) == len(found) == 12
    assert all(map(any, found))
    assert masks() == found


def test_ranks_draw_apart(tmp_path):
    images, _ = batch()
    alone = AnomalyModule(SURE)(images)[1]
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/here", rank=0, world_size=1)
    try:
        assert torch.equal(AnomalyModule(SURE)(images)[1], alone)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.distributed, "get_rank", lambda: 1)
            other = AnomalyModule(SURE)(images)[1]
    finally:
        torch.distributed.destroy_process_group()
    assert not torch.equal(other, alone)


@pytest.mark.parametrize(
    ("image", "depth", "message"),
    [
        (None, None, "image and depth are both None"),
        (np.zeros((2, 3, 8, 8), np.uint8), None, "image must be a tensor, B x 3 x H x W .*got ndarray"),
        (torch.zeros(2, 8, 8, 3), None, r"image must be B x 3 x H x W .*got torch.float32 of \(2, 8, 8, 3\)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), None, "got torch.int64"),
        (torch.zeros(8, 8), None, r"of \(8, 8\)"),
        (torch.randn(2, 3, 8, 8), None, r"sample \d: rgb of float32 must lie in \[0, 1\].*before Normalize"),
        (torch.full((2, 3, 8, 8), torch.nan), None, "without NaN"),
        (None, torch.ones(2, 3, 8, 8), "depth must be B x 1 x H x W of floats, got"),
        (None, torch.ones(2, 1, 8, 8, dtype=torch.uint8), "depth must be B x 1 x H x W of floats, got torch.uint8"),
        (torch.zeros(2, 3, 8, 8), torch.ones(3, 1, 8, 8), "2 rgbs, 3 depths"),
        (torch.zeros(3, 8, 8), torch.ones(1, 1, 8, 8), "both be batches, or both be without B"),
        (torch.zeros(0, 3, 8, 8), None, r"image must hold numbers, at least one sample.*\(0, 3, 8, 8\)"),
        (torch.zeros(2, 3, 0, 8), None, "image must hold numbers"),
        (None, torch.zeros(0, 1, 8, 8), "depth must hold numbers"),
        (torch.zeros(3, 8, 8).to_sparse(), None, "image must hold numbers.*sparse"),
        (torch.zeros(2, 3, 8, 8, device="meta"), None, "image must hold numbers.*on meta"),
        (torch.zeros(2, 3, 8, 8), torch.ones(2, 1, 8, 9), "rgb is 8 x 8, depth is 8 x 9"),
    ],
)
def test_bad_tensors_are_refused_in_a_sentence(image, depth, message):
    with pytest.raises(ParameterError, match=message):
        AnomalyModule(SURE)(image, depth)


def test_depth_of_nothing_is_named():
    depths = batch()[1]
    depths[1] = 0
    with pytest.raises(ForegroundError, match=r"^sample 1: "):
        AnomalyModule(SURE)(None, depths)


@pytest.mark.parametrize("options", [{"recipe": "realistic"}, {"seed": -1}, {"seed": 0.5}, {"foreground": "auot"}])
def test_bad_arguments_are_refused_at_once(options):
    with pytest.raises(ParameterError, match=next(iter(options))):
        AnomalyModule(**options)
