"""Synthesis: section 3.2 of the paper, from noise and masks to the anomalous pair.

The equations one by one: noise, foreground and masks (1, 2, 7), skew (3–5), blend (8); a recipe draws a plan, a
plan renders to a pair.  It knows arrays only: it may import textures, the ground, and no reader of data sets.
"""

from das3d_aug.synthesis.batch import AnomalyBatch, synthesize_batch
from das3d_aug.synthesis.blend import blend_texture
from das3d_aug.synthesis.foreground import DepthAxis, Foreground, Found, Policy, find_foreground, foreground_mask
from das3d_aug.synthesis.masks import refine_mask, ternary_mask
from das3d_aug.synthesis.noise import perlin_noise
from das3d_aug.synthesis.pair import AnomalyPair, render, synthesize
from das3d_aug.synthesis.plan import Plan
from das3d_aug.synthesis.recipe import Recipe
from das3d_aug.synthesis.severity import Kind, Severity, kind_of, measure_severity
from das3d_aug.synthesis.skew import skew_filter, skew_normal_kernel

__all__ = [
    "AnomalyBatch",
    "AnomalyPair",
    "DepthAxis",
    "Foreground",
    "Found",
    "Kind",
    "Plan",
    "Policy",
    "Recipe",
    "Severity",
    "blend_texture",
    "find_foreground",
    "foreground_mask",
    "kind_of",
    "measure_severity",
    "perlin_noise",
    "refine_mask",
    "render",
    "skew_filter",
    "skew_normal_kernel",
    "synthesize",
    "synthesize_batch",
    "ternary_mask",
]
