"""``das3d-ref presets``: the configurations that ship."""

from __future__ import annotations

import click

from ..options import (
    PRESETS,
)
from ..voice import voice

__all__ = ["presets"]


@click.command()
@click.argument("name", required=False, type=click.Choice(PRESETS))
def presets(name: str | None) -> None:
    """List the presets, or print one."""
    from das3d_ref.config import preset_text

    for preset in [name] if name else PRESETS:
        text = preset_text(preset)
        voice().tell(**{preset: text})
        voice().say(text if name else f"{preset:11}{text.splitlines()[0].lstrip('# ')}")
