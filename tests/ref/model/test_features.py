"""The detector on frozen features: trained, loaded and judged in every mode; what stands out by each evidence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from helpers.encoders import encoder_file, on_features
from helpers.runs import parts, source

from das3d_aug.errors import FileError, ParameterError
from das3d_ref import Detector, evaluate, train
from das3d_ref.model.detector import build_network
from das3d_ref.model.inputs import network_input


@pytest.mark.parametrize("mode", ["rgb", "depth", "rgbd"])
def test_it_trains_loads_and_judges(tmp_path, mode):
    config = on_features(mode=mode)
    data = source(config)
    header = train(data, tmp_path, config=config)
    found = Detector.load(tmp_path)
    assert found.config == config
    assert found.threshold == header["threshold"]
    entry = data.test[0]
    whole = found.anomaly_map(data.item(entry, found.depth_range))
    assert whole.shape == (48, 48)
    assert np.isfinite(whole).all()
    assert 0 < whole.min() < whole.max() < 1
    assert 0 <= evaluate(found, data).figures["I-AUROC"] <= 1
    encoder_file()  # the detector holds a copy of it
    assert any(name.startswith("encoder.") for name in found.network.state_dict())


def test_a_run_that_was_stopped_equals_one_that_was_not(tmp_path):
    config = on_features()
    data = source(config)
    train(data, tmp_path / "whole", config=config)

    def stop(step, steps, figures):
        if step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "parts", config=config, progress=stop)
    train(data, tmp_path / "parts", config=config, resume=True)
    for name in ("detector.json", "training.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def fitted(mode="rgbd"):
    """Return a network that knows the good images and whose head says nothing, and inputs of them."""
    config = on_features(mode=mode)
    data = source(config)
    span = data.depth_range(config)
    items = [data.item(entry, span) for entry in data.train]
    inputs = [
        {name: torch.from_numpy(image)[None] for name, image in network_input(item, *pair(item), config).items()}
        for item in items
    ]
    torch.manual_seed(0)
    network = build_network(config)
    network.fit(inputs[::2], inputs[1::2], seed=0)
    torch.nn.init.zeros_(network.head.last.weight)
    network.eval()
    network.calibrate([network.encode(image) for image in inputs[1::2]])
    return network, inputs


def pair(item):
    return item.sample.rgb, item.sample.depth


def test_what_was_never_seen_stands_out_though_the_head_has_learnt_nothing():
    network, inputs = fitted("rgb")
    rgb = inputs[1]["rgb"].clone()
    rgb[:, :, 20:28, 20:28] = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        before, after = (network(image, None).logits[0, 0] for image in (inputs[1]["rgb"], rgb))
    raised = after - before
    assert raised[16:32, 16:32].mean() > 1.4 * raised.mean() > 0


def test_a_dent_stands_out_by_its_relief_and_nothing_does_outside_the_part():
    network, inputs = fitted("depth")
    depth = inputs[1]["depth"].clone()
    depth[:, 4, 20:28, 20:28] += 5 * network.scale[4]
    with torch.inference_mode():
        before, after = (network(None, image).logits[0, 0] for image in (inputs[1]["depth"], depth))
    assert (after - before)[22:26, 22:26].min() > 0
    outside = inputs[1]["depth"][0, 6] == 0
    corner = np.s_[:8, :8]  # a stride-4 place or two away from the part
    assert outside[corner].all()
    assert after[corner].std() < 1e-6


def test_half_of_the_map_is_the_highest_place_of_a_usual_good_image():
    network, inputs = fitted()
    with torch.inference_mode():
        peaks = [float(network(**image).logits.max().sigmoid()) for image in inputs[1::2]]
    assert sorted(peaks)[(len(peaks) - 1) // 2] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("mode", "first"), [("rgb", [1, 0.5]), ("depth", [1, 1, 0.3, 0.5]), ("rgbd", [1, 0.5, 1, 0.3, 0.5])]
)
def test_a_detector_keeps_the_weights_of_its_evidence_and_one_without_has_the_first(mode, first):
    config = on_features(mode=mode)
    saved = build_network(config).state_dict()
    for held, wanted in (({**saved, "weights": 2 * saved["weights"]}, 2 * saved["weights"]), ({**saved}, None)):
        if wanted is None:
            del held["weights"]
            wanted = torch.tensor(first)
        loaded = build_network(config)
        loaded.load_state_dict(held, assign=True)
        assert torch.equal(loaded.weights, wanted)
        evidence = torch.rand(1, len(first), 2, 3)
        assert torch.allclose(loaded._sum(evidence), (evidence * wanted[:, None, None]).sum(dim=1, keepdim=True))


def test_few_images_are_remembered_and_learnt_from(tmp_path):
    config = on_features()
    data = source(config)
    one = dataclasses.replace(data, train=data.train[:1])
    train(one, tmp_path, config=config)
    assert np.isfinite(Detector.load(tmp_path).threshold)


def test_an_encoder_that_is_not_there_is_said_before_anything_is_made(tmp_path):
    config = on_features(features__encoder=tmp_path / "other.safetensors")
    with pytest.raises(FileError, match="cannot be read"):
        train(source(config), tmp_path / "out", config=config)
    with pytest.raises(ParameterError, match=r"must be 'efficientnet-lite0' or a \.safetensors file"):
        train(source(config), tmp_path / "out", config=on_features(features__encoder="resnet"))
    assert not (tmp_path / "out").exists()


def test_the_data_are_not_changed():
    before = {path: path.read_bytes() for path in sorted(parts().rglob("*.tiff"))}
    fitted()
    assert before == {path: path.read_bytes() for path in before}
