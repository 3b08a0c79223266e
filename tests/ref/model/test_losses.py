"""Eqs 9, 10, 11 and 13 against their plain NumPy forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, signal

from das3d_aug.errors import ParameterError
from das3d_ref.config_sections import LossConfig
from das3d_ref.model.losses import depth_loss, discriminator_loss, rgb_loss, total_loss
from das3d_ref.model.networks import Output

RNG = np.random.default_rng(4)
A, B = RNG.random((2, 2, 3, 20, 23)).astype(np.float32)
MASK = (RNG.random((2, 1, 20, 23)) > 0.7).astype(np.float32)
LOGITS = RNG.normal(0, 3, MASK.shape).astype(np.float32)


def ssim_term(a, b):
    """Mean of (1 - SSIM) / 2, SSIM after Wang et al. with a Gaussian window of 11 pixels and sigma 1.5."""
    line = signal.windows.gaussian(11, 1.5)
    line /= line.sum()

    def mean(images):
        images = ndimage.correlate1d(images.astype(np.float64), line, axis=-1, mode="mirror")
        return ndimage.correlate1d(images, line, axis=-2, mode="mirror")

    a, b = a.astype(np.float64), b.astype(np.float64)
    ma, mb = mean(a), mean(b)
    va, vb, both = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    ssim = (2 * ma * mb + 1e-4) * (2 * both + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    return np.mean((1 - ssim) / 2)


def focal_term(logits, mask, *, gamma, alpha):
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    loss = np.where(mask == 1, -alpha * (1 - p) ** gamma * np.log(p), -(1 - alpha) * p**gamma * np.log(1 - p))
    return loss.mean()


def tensors(*arrays):
    return tuple(map(torch.from_numpy, arrays))


def test_eq_9():
    assert float(depth_loss(*tensors(A, B))) == pytest.approx(np.mean((A - B) ** 2), rel=1e-5)
    assert float(depth_loss(*tensors(A, A))) == 0


def test_eq_10():
    l2, ssim = np.mean((A - B) ** 2), ssim_term(A, B)
    assert float(rgb_loss(*tensors(A, B))) == pytest.approx(l2 + ssim, rel=1e-5)
    assert float(rgb_loss(*tensors(A, B), l2=3, ssim=0)) == pytest.approx(3 * l2, rel=1e-5)
    assert float(rgb_loss(*tensors(A, B), l2=0, ssim=2)) == pytest.approx(2 * ssim, rel=1e-5)
    assert float(rgb_loss(*tensors(A, A))) == pytest.approx(0, abs=1e-6)


@given(gamma=st.floats(0, 5), alpha=st.floats(0.01, 0.99))
def test_eq_11(gamma, alpha):
    found = float(discriminator_loss(*tensors(LOGITS, MASK), gamma=gamma, alpha=alpha))
    assert found == pytest.approx(focal_term(LOGITS, MASK, gamma=gamma, alpha=alpha), rel=1e-4)


def test_eq_11_stays_finite_for_sure_and_wrong_logits():
    logits, mask = torch.tensor([[[[80.0, -80.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert float(discriminator_loss(logits, mask)) == pytest.approx(0.5 * 80)


@pytest.mark.parametrize("mode", ["rgb", "depth", "rgbd"])
def test_eq_13_is_the_sum_of_the_mode_s_terms(mode):
    config = LossConfig(rgb=1.5, ssim=0.5, depth=2.0, focal=3.0, gamma=1.0, alpha=0.7)
    a, b, mask, logits = tensors(A, B, MASK, LOGITS)
    rgb = None if mode == "depth" else a
    depth = None if mode == "rgb" else a[:, :1]
    output = Output(logits, None if rgb is None else b, None if depth is None else b[:, :1])
    terms = {
        name: float(term) for name, term in total_loss(output, rgb=rgb, depth=depth, mask=mask, config=config).items()
    }
    wanted = {"focal": focal_term(LOGITS, MASK, gamma=1.0, alpha=0.7)}
    if mode != "depth":
        wanted["rgb"] = 1.5 * np.mean((A - B) ** 2) + 0.5 * ssim_term(A, B)
    if mode != "rgb":
        wanted["depth"] = np.mean((A[:, :1] - B[:, :1]) ** 2)
    weights = {"focal": 3.0, "rgb": 1.0, "depth": 2.0}
    total = sum(weights[name] * value for name, value in wanted.items())
    assert terms == pytest.approx(wanted | {"loss": total}, rel=1e-4)


def test_sixteen_bit_outputs_are_judged_in_32_bits():
    a, b, mask, logits = tensors(A, B, MASK, LOGITS)
    output = Output(logits.bfloat16(), b.bfloat16(), b[:, :1].bfloat16())
    terms = total_loss(output, rgb=a, depth=a[:, :1], mask=mask, config=LossConfig())
    assert all(term.dtype == torch.float32 for term in terms.values())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ssim": -1.0}, "loss.ssim must be at least 0, got -1.0"),
        ({"focal": float("nan")}, "loss.focal must be at least 0, got nan"),
        ({"alpha": 1.0}, "loss.alpha must be between 0 and 1, got 1.0"),
    ],
)
def test_impossible_weights_are_refused(values, said):
    with pytest.raises(ParameterError, match=said):
        LossConfig(**values)
