"""Textures: where those of eq. 8 come from (`sources`), computed ones, and how one is varied.

Here lives what maps random bits to a texture.  It may import files and the ground.
"""

from das3d_aug.textures.sources import (
    ArrayTextures,
    FolderTextures,
    MixedTextures,
    PlainTextures,
    ProceduralTextures,
    TextureSource,
    as_source,
)
from das3d_aug.textures.variation import TexturePlan, colour_matrix, draw_texture, sharpness, tone_table

__all__ = [
    "ArrayTextures",
    "FolderTextures",
    "MixedTextures",
    "PlainTextures",
    "ProceduralTextures",
    "TexturePlan",
    "TextureSource",
    "as_source",
    "colour_matrix",
    "draw_texture",
    "sharpness",
    "tone_table",
]
