"""The generators of anomalib's detectors, replaced in the detectors themselves: `make test-plug-in` runs this."""

from __future__ import annotations

import pytest
import torch
from anomalib.models import Draem, Dsr, Glass
from torch.nn import functional

from das3d_aug import Recipe
from das3d_aug.adapters import AnomalyModule
from das3d_aug.datasets.demo import make_part

SIDE = 64


def images():
    parts = [make_part("potato", seed=0, index=k, size=SIDE) for k in range(4)]
    return torch.stack([torch.from_numpy(part.rgb).movedim(-1, 0) / 255 for part in parts])


def test_a_draem_saved_with_ours_loads_without_it(tmp_path):
    ours, own = Draem(dtd_dir=tmp_path), Draem(dtd_dir=tmp_path)
    ours.augmenter = AnomalyModule()
    own.load_state_dict(ours.state_dict())


def test_ours_returns_what_their_own_returns(tmp_path):
    model = Draem(dtd_dir=tmp_path)
    for given in (images(), images()[0]):
        theirs, made = (
            [(one.shape, one.dtype) for one in module(given)] for module in (model.augmenter, AnomalyModule())
        )
        assert made == theirs


def test_a_step_of_glass():
    """Its images are normalised and brought back, which leaves [0, 1] by rounding."""
    options = {"backbone": "resnet18", "pretrain_embed_dim": 64, "target_embed_dim": 64, "pre_trained": False}
    model = Glass(input_shape=(SIDE, SIDE), **options).model.train()
    model.augmentor = AnomalyModule(Recipe.realistic())
    given = (images() - model._img_mean) / model._img_std
    with torch.no_grad():
        features, _ = model.generate_embeddings(given, evaluation=True)
    model.center = features.reshape(len(given), -1, features.shape[-1]).mean(dim=0)
    assert all(loss.isfinite() for loss in model(given))
    assert model.augmentor.drawn == len(given)


def test_a_step_of_the_last_phase_of_dsr():
    model = Dsr()
    model.perlin_generator = AnomalyModule(Recipe.realistic())
    made, masks = (functional.interpolate(one, 256) for one in model.perlin_generator(images()[:2]))
    found = model.model.train()(made)["anomaly_map"]
    loss = model.third_stage_loss(found, masks)
    loss.backward()
    assert loss.isfinite()


@pytest.fixture(autouse=True)
def _always_the_same():
    torch.manual_seed(0)
