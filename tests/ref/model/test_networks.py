"""The networks: any size in, the same size out; what the options change; how large the paper's are."""

from __future__ import annotations

import itertools
import resource

import pytest
import torch

from das3d_aug.errors import ParameterError
from das3d_ref import Config
from das3d_ref.config_sections import MODES, NetworkConfig
from das3d_ref.model import DAS3DNetwork, UNet
from das3d_ref.model.detector import autocast, build_network
from das3d_ref.model.losses import total_loss

SMALL = {"width": 8, "discriminator_width": 8, "levels": 2, "convolutions": 1, "norm": "group"}


def inputs(mode, height, width, *, batch=1, channels=1):
    generator = torch.Generator().manual_seed(height * 1000 + width)
    rgb, depth = (torch.rand((batch, count, height, width), generator=generator) for count in (3, channels))
    return (None if mode == "depth" else rgb), (None if mode == "rgb" else depth)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("levels", "stride"), [(2, 1), (2, 3), (3, 2), (4, 4), (6, 1)])
def test_any_size_gives_maps_and_reconstructions_of_that_size(mode, levels, stride):
    config = NetworkConfig(**SMALL | {"levels": levels, "discriminator_stride": stride})
    network = DAS3DNetwork(config, mode=mode, depth_channels=4).eval()
    for height, width in [(1, 1), (1, 7), (5, 3), (16, 16), (17, 31), (64, 20)]:
        rgb, depth = inputs(mode, height, width, channels=4)
        with torch.inference_mode():
            output = network(rgb, depth)
        assert output.logits.shape == (1, 1, height, width)
        for rebuilt, image in ((output.rgb, rgb), (output.depth, depth)):
            assert (rebuilt is None) == (image is None)
            if image is not None:
                assert rebuilt.shape == image.shape
        assert torch.isfinite(output.logits).all()


@pytest.mark.parametrize(
    ("width", "discriminator_width", "convolutions", "norm"), [(8, 24, 1, "batch"), (16, 8, 3, "group")]
)
def test_widths_and_convolutions(width, discriminator_width, convolutions, norm):
    config = NetworkConfig(
        width=width, discriminator_width=discriminator_width, levels=2, convolutions=convolutions, norm=norm
    )
    network = DAS3DNetwork(config, mode="rgbd")
    first = [layer for layer in network.rgb.down[0] if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in first] == [width] * convolutions
    assert network.discriminator.down[0][0].in_channels == 12 * width
    assert network.discriminator.down[0][0].out_channels == discriminator_width
    kind = torch.nn.BatchNorm2d if norm == "batch" else torch.nn.GroupNorm
    assert any(isinstance(layer, kind) for layer in network.modules())
    assert network(*inputs("rgbd", 12, 12, batch=2)).logits.shape == (2, 1, 12, 12)


def test_the_features_are_the_first_two_and_the_last_two_layers():
    unet = UNet(3, 3, width=8, levels=4, convolutions=1, norm="group").eval()
    seen = []
    for block in [*unet.down, *unet.up]:
        block.register_forward_hook(lambda module, given, result: seen.append(result))
    _, features = unet(torch.rand(1, 3, 32, 32))
    assert len(seen) == 9
    assert all(a is b for a, b in zip(features, [seen[0], seen[1], seen[-2], seen[-1]], strict=True))
    assert [feature.shape[1] for feature in features] == [8, 16, 16, 8]
    assert [feature.shape[2] for feature in features] == [32, 16, 16, 32]


def test_the_discriminator_learns_from_the_features_alone_and_teaches_the_reconstruction():
    network = DAS3DNetwork(NetworkConfig(**SMALL), mode="rgbd")
    network(*inputs("rgbd", 16, 16)).logits.sum().backward()
    for part in (network.rgb, network.depth):
        gradients = {name: weight.grad for name, weight in part.named_parameters()}
        assert gradients.pop("head.weight") is None  # the reconstruction itself is no input of D
        assert gradients.pop("head.bias") is None
        assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients.values())


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_in_evaluation_a_map_does_not_depend_on_its_batch(norm):
    torch.manual_seed(0)
    network = DAS3DNetwork(NetworkConfig(**SMALL | {"norm": norm}), mode="rgbd").eval()
    rgb, depth = inputs("rgbd", 20, 24, batch=5)
    with torch.inference_mode():
        together = network(rgb, depth).logits
        for k in range(5):
            torch.testing.assert_close(network(rgb[k : k + 1], depth[k : k + 1]).logits, together[k : k + 1])


def test_group_norm_keeps_samples_apart_in_training_and_batch_norm_does_not():
    for norm, apart in (("group", True), ("batch", False)):
        torch.manual_seed(0)
        network = DAS3DNetwork(NetworkConfig(**SMALL | {"norm": norm}), mode="rgb").train()
        rgb, _ = inputs("rgb", 16, 16, batch=2)
        alone = network(rgb[:1], None).logits
        together = network(torch.cat([rgb[:1], 3 * rgb[1:]]), None).logits[:1]
        assert torch.allclose(alone, together, atol=1e-5) == apart


def test_a_depth_network_never_sees_colour():
    network = DAS3DNetwork(NetworkConfig(**SMALL), mode="depth")
    assert network.rgb is None
    _, depth = inputs("depth", 9, 9)
    assert network(None, depth).rgb is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"width": 12}, "network.width must be a multiple of 8, got 12"),
        ({"discriminator_width": 0}, "network.discriminator_width must be a multiple of 8, got 0"),
        ({"levels": 1}, "network.levels must be 2 … 6, got 1"),
        ({"convolutions": 9}, "network.convolutions must be 1 … 4, got 9"),
        ({"discriminator_stride": 5}, "network.discriminator_stride must be 1 … 4, got 5"),
        ({"norm": "layer"}, "network.norm must be 'batch' or 'group', got 'layer'"),
    ],
)
def test_impossible_sizes_are_refused(values, said):
    with pytest.raises(ParameterError, match=said):
        NetworkConfig(**values)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ParameterError, match="mode must be one of rgb, depth, rgbd, got 'lidar'"):
        DAS3DNetwork(NetworkConfig(), mode="lidar")


def unet_parameters(inputs, outputs, *, width, levels, convolutions):
    """Count by hand: 3 x 3 kernels without bias, two numbers a channel of batch norm, and the head with its bias."""
    widths = [width * min(2**k, 8) for k in range(levels + 1)]
    pairs = list(itertools.pairwise([inputs, *widths]))
    pairs += [(below + here, here) for here, below in itertools.pairwise(widths)]
    total = sum(9 * a * b + 2 * b + (convolutions - 1) * (9 * b * b + 2 * b) for a, b in pairs)
    return total + 9 * width * outputs + outputs


def test_the_size_of_the_paper_s_networks():
    with torch.device("meta"):
        network = build_network(Config.preset("paper"))
    count = sum(weight.numel() for weight in network.parameters())
    parts = [unet_parameters(channels, channels, width=128, levels=4, convolutions=2) for channels in (3, 1)]
    assert count == sum(parts) + unet_parameters(12 * 128, 1, width=64, levels=4, convolutions=2)
    assert count == 177_116_229


@pytest.mark.slow
def test_the_paper_s_networks_take_a_step_on_the_cpu():
    """Minutes and gigabytes: ``pytest -m slow -s`` runs it and prints the memory."""
    config = Config.preset("paper")
    network = build_network(config).to(memory_format=torch.channels_last)
    rgb, depth = (image.to(memory_format=torch.channels_last) for image in inputs("rgbd", 256, 256))
    mask = (torch.rand(1, 1, 256, 256) > 0.97).float()
    with autocast(config.training.precision, torch.device("cpu")):
        output = network(rgb, depth)
    terms = total_loss(output, rgb=rgb, depth=depth, mask=mask, config=config.loss)
    terms["loss"].backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
    print(f"\npaper, one image: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB at most")
