"""The training losses of the paper, eqs 9–13; each term is a mean, so their scale does not depend on the size.

=========  =====================================================  ==========================
eq. 9      ``L_recZ = ||Z - F_Z(Z_a)||²``                         `depth_loss`
eq. 10     ``L_recI = ||I - F_I(I_a)||² + L_SSIM(I, F_I(I_a))``   `rgb_loss`
eq. 11     ``L_dis = Focal(D(f_fuse), M*)``                       `discriminator_loss`
eq. 13     ``L = L_recZ + L_recI + L_dis``                        `total_loss`
=========  =====================================================  ==========================

Eq. 12, augmentation dropout, is in the data: `das3d_aug.synthesis.render` leaves the dropped modality as it was
and empties the mask if both are.
"""

from __future__ import annotations

from kornia.losses import binary_focal_loss_with_logits, ssim_loss
from torch import Tensor
from torch.nn import functional

from das3d_ref.config_sections import LossConfig
from das3d_ref.model.networks import Output

__all__ = ["depth_loss", "dice_loss", "discriminator_loss", "rgb_loss", "total_loss"]


def depth_loss(rebuilt: Tensor, normal: Tensor) -> Tensor:
    """Return eq. 9, the mean squared difference of depth (and of its further channels)."""
    return functional.mse_loss(rebuilt, normal)


def rgb_loss(rebuilt: Tensor, normal: Tensor, *, l2: float = 1.0, ssim: float = 1.0) -> Tensor:
    """Return eq. 10; SSIM with an 11 x 11 Gaussian window, as ``(1 - SSIM) / 2``."""
    return l2 * functional.mse_loss(rebuilt, normal) + ssim * ssim_loss(rebuilt, normal, 11)


def discriminator_loss(logits: Tensor, mask: Tensor, *, gamma: float = 2.0, alpha: float = 0.5) -> Tensor:
    """Return eq. 11, the mean binary focal loss of the logits; ``mask`` is 0 or 1, B x 1 x H x W."""
    return binary_focal_loss_with_logits(logits, mask, alpha=alpha, gamma=gamma, reduction="mean")


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Return 1 - (2 Σ p m + 1) / (Σ p + Σ m + 1), the mean over images (Milletari et al. 2016)."""
    share = logits.sigmoid()
    both, either = ((share * mask).sum(dim=(1, 2, 3)), (share + mask).sum(dim=(1, 2, 3)))
    return (1 - (2 * both + 1) / (either + 1)).mean()


def total_loss(
    output: Output, *, rgb: Tensor | None, depth: Tensor | None, mask: Tensor, config: LossConfig
) -> dict[str, Tensor]:
    """Return the terms of eq. 13 that the mode has, and their sum as ``"loss"``.

    Parameters
    ----------
    output : Output
        The networks' output for the anomalous images.
    rgb, depth : Tensor or None
        The normal images.
    mask : Tensor
        M* after augmentation dropout, B x 1 x H x W.
    config : LossConfig
    """
    terms = {"focal": discriminator_loss(output.logits.float(), mask, gamma=config.gamma, alpha=config.alpha)}
    loss = config.focal * terms["focal"]
    if config.dice:
        terms["dice"] = dice_loss(output.logits.float(), mask)
        loss = loss + config.dice * terms["dice"]
    if output.rgb is not None:
        assert rgb is not None
        terms["rgb"] = rgb_loss(output.rgb.float(), rgb, l2=config.rgb, ssim=config.ssim)
        loss = loss + terms["rgb"]
    if output.depth is not None:
        assert depth is not None
        terms["depth"] = depth_loss(output.depth.float(), depth)
        loss = loss + config.depth * terms["depth"]
    return {"loss": loss, **terms}
