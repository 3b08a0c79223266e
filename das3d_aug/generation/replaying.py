"""Making a generated sample again from its recipe, and comparing it with what was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from das3d_aug.datasets.webdataset import read_shard_sample
from das3d_aug.errors import FileError, ParameterError
from das3d_aug.files import contained, encode_ply, read_bytes, read_json
from das3d_aug.generation.formats import FORMATS, points_of
from das3d_aug.generation.origins import Origins
from das3d_aug.runs.output_folder import HEADER, digest

__all__ = ["Replay", "replay"]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A sample made again from its recipe.

    Attributes
    ----------
    files : mapping of str to bytes
        The bytes by relative path, or by member of the shard; the recipe last.
    differences : tuple of str
        ``"<path>: <what is different>"``; empty if every byte is as recorded and as on disk.
    clouds : mapping of str to bytes
        If asked for, ``points/<sample>_before.ply`` and ``_after.ply``, which a viewer opens; they are not compared.
    """

    files: Mapping[str, bytes]
    differences: tuple[str, ...]
    clouds: Mapping[str, bytes]


def replay(
    path: str | Path,
    *,
    sample: str | None = None,
    source: str | Path | None = None,
    textures: str | Path | None = None,
    points: bool = False,
) -> Replay:
    """Make a sample again from its recipe and compare it with what was written.

    Parameters
    ----------
    path : path
        A ``recipes/….json``, or a ``shard-….tar``, inside a folder that `das3d_aug.generation.generate` wrote.
    sample : str, optional
        Which sample of the shard, for example ``"000123"``.
    source, textures : path, optional
        Where the source and the textures are now; by default where they were, seen from the folder.
    points : bool
        Give the points before and after too, in the unit of the source.

    Returns
    -------
    Replay

    Raises
    ------
    ParameterError
        If ``sample`` is missing for a shard, or given for a recipe; or there are neither points nor a camera.
    FileError
        If the recipe or a source file is missing, damaged or not the one that was recorded.
    """
    path = Path(path).resolve()
    root = next((parent for parent in path.parents if (parent / HEADER).is_file()), None)
    if root is None:
        raise FileError(path, f"lies in no folder that das3d-aug generate wrote (no {HEADER} above it)")
    origins = Origins(root, source=source, textures=textures)
    if (path.suffix == ".tar") != (sample is not None):
        raise ParameterError(f"sample must be given for a shard (.tar) and only for it, got {sample!r} for {path.name}")
    if sample is None:
        recipe, members = path.relative_to(root).as_posix(), {}
        record = read_json(path)
    else:
        recipe, members = f"{sample}.json", read_shard_sample(path, sample)
        path = path / recipe
        record = read_json(path, data=members.get(recipe, b""))
    try:
        name, written = str(record["sample"]), FORMATS[record["layout"]]
        recorded = {str(name): value for name, value in record["files"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(path, f"is not a das3d sample recipe: {type(error).__name__} {error}") from error
    normal = origins.normal(path, record)
    pair = origins.render(path, record, normal)
    try:
        files = written.encode(name, normal, pair, record.get("compression", "default"))
    except ParameterError as error:
        raise FileError(path, f"is not a das3d sample recipe: {error}") from error
    if sample is None:
        there = [name for name in (*files, recipe) if (root / name).is_file()]
        members = {name: read_bytes(contained(root, root / name)) for name in there}
    differences = [
        f"{name}: {difference}"
        for name, data in files.items()
        if (difference := _difference(data, recorded.get(name), members.get(name)))
    ]
    clouds = {}
    if points:
        for when, colour, depth in (("before", normal.rgb, normal.depth), ("after", pair.rgb, pair.depth)):
            if depth is not None:
                clouds[f"points/{name}_{when}.ply"] = encode_ply(points_of(normal, depth), colour)
    return Replay(files={**files, recipe: members[recipe]}, differences=tuple(differences), clouds=clouds)


def _difference(made: bytes, recorded: str | None, stored: bytes | None) -> str | None:
    if recorded != digest(made):
        return "other bytes than recorded"
    if stored is None:
        return "missing"
    return None if stored == made else "changed on disk"
