"""Which files of a folder of samples belong together, and what is left over: for every layout of folders."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from das3d_aug.datasets.listing import (
    COLOUR,
    MASKS,
    PLANES,
    POINTS,
    Findings,
    Group,
    list_files,
    list_folders,
    role_folders,
    visible,
)
from das3d_aug.datasets.names import affix, core, is_normal, role_of, shown, split_of
from das3d_aug.datasets.samples import Entry
from das3d_aug.errors import FileError

__all__ = [
    "entries_of",
    "form_of",
    "is_eyecandies",
    "look_around",
    "masks_of",
    "mixed_roles",
    "paired",
    "strangers",
    "told_apart",
    "told_by_name",
]

_IMAGES = ("rgb", "depth", "xyz")
_PASSED_OVER = ("rgb_mask", "depth_mask", "recipes")  # what `generate` adds; no reader needs it
_BY_TYPE = {  # what a file is whose name does not say it
    "rgb": COLOUR,
    "depth": tuple(suffix for suffix in PLANES if suffix not in COLOUR),
    "xyz": tuple(suffix for suffix in POINTS if suffix not in (*PLANES, *COLOUR)),
}
_Files = Mapping[str, Mapping[str, Path]]  # by role and stem


def entries_of(group: Group, roles: _Files, findings: Findings, *, masks: str = "mask") -> Iterator[Entry]:
    """Yield the entries of a folder of samples; ``masks`` is the role of its masks.

    Raises
    ------
    FileError
        If two files could be one and the same of a sample.
    """
    label = int(not is_normal(group.name)) if group.name else None
    for name, files in paired(roles, findings, alone=group.folder.name).items():
        if label == 1 and masks not in files:
            findings.add(next(iter(files.values())), "anomalous image without a mask")
        yield Entry(
            key="/".join([*group.parts, shown(name)]),
            split=group.split,
            defect=shown(group.name),
            label=label,
            files=files,
            category=shown(group.category),
        )


def paired(roles: _Files, findings: Findings, *, alone: str = "") -> dict[str, dict[str, Path]]:
    """Return the files by sample and role, by the rule of `das3d_aug.datasets.names`.

    Images (rgb, depth, xyz) make samples: those of equal stems first, then those without a partner by what is left
    of the stems, which is the sample's name, or ``alone`` if nothing is left.  All other roles are added to them.
    What finds no partner is noted.

    Raises
    ------
    FileError
        If two files could be one and the same of a sample.
    """
    present = [role for role in roles if role in _IMAGES and roles[role]]
    samples: dict[str, dict[str, Path]] = {}
    for role in present:
        for stem, path in roles[role].items():
            samples.setdefault(stem, {})[role] = path
    for name, stems in _by_what_is_left(samples, present).items():
        joined = {role: path for stem in stems for role, path in samples.pop(stem).items()}
        name = name or alone
        if name in samples:
            _refuse(next(iter(joined.values())), next(iter(samples[name].values())), name)
        samples[name] = {role: joined[role] for role in present}
    for files in samples.values():
        if lacking := [role for role in present if role not in files]:
            (role, path), *_ = files.items()
            findings.add(path, f"{role} without {' and '.join(lacking)} of this name")
    for role in roles.keys() - set(_IMAGES):
        _add(samples, role, roles[role], findings)
    order = list(roles)
    return {name: dict(sorted(files.items(), key=lambda x: order.index(x[0]))) for name, files in samples.items()}


def _by_what_is_left(samples: Mapping[str, Mapping[str, Path]], present: list[str]) -> dict[str, list[str]]:
    """Return the stems of images that lack a partner and find one without the words of their roles."""
    left: dict[str, dict[str, list[str]]] = {}
    for stem, files in samples.items():
        if len(files) == 1 < len(present):
            (role,) = files
            name = core(stem, role)
            left.setdefault(stem if name is None else name, {}).setdefault(role, []).append(stem)
    found = {name: stems for name, stems in left.items() if len(stems) > 1}
    for name, by_role in found.items():
        for role, stems in by_role.items():
            if len(stems) > 1:
                _refuse(samples[stems[1]][role], samples[stems[0]][role], name)
    return {name: [stem for (stem,) in by_role.values()] for name, by_role in found.items()}


def _add(samples: Mapping[str, dict[str, Path]], role: str, files: Mapping[str, Path], findings: Findings) -> None:
    """Add the files of a role to the samples whose names they have."""
    word = role if role == "foreground" else "mask"
    names = _names(samples)
    for stem, path in files.items():
        rest = core(stem, word)
        name = names.get(stem) or names.get(rest or "")
        if name is None:
            findings.add(path, f"{word} without an image of this name")
        elif role in samples[name]:
            _refuse(path, samples[name][role], name)
        else:
            samples[name][role] = path


def _names(samples: Mapping[str, Mapping[str, Path]]) -> dict[str, str]:
    """Return the samples by every name that means one of them: its own, a stem of its images, what is left of one."""
    names: dict[str, str] = {}
    loose: dict[str, set[str]] = {}
    for name, images in samples.items():
        for role, path in images.items():
            names.setdefault(path.stem, name)
            if rest := core(path.stem, role):
                loose.setdefault(rest, set()).add(name)
    unique = {rest: name for rest, (name, *others) in loose.items() if not others}
    return unique | names | {name: name for name in samples}


def _refuse(path: Path, other: Path, name: str) -> None:
    raise FileError(path, f"and {other} could both belong to sample {shown(name)!r}; rename or remove one")


def masks_of(group: Group, own: Mapping[str, Path], findings: Findings) -> dict[str, Path]:
    """Return the masks of a folder of samples: in its own mask folder, or else where MVTec AD has them.

    That is ``<category>/ground_truth/<defect>/``, or ``…/ground_truth/<split>/<defect>/``.  ``own`` are the folders
    of roles beside the images.
    """
    if "mask" in own:
        return list_files(own["mask"], MASKS, findings)
    homes = [path for path in list_folders(group.home) if group.split and _is_masks(path)]
    names = (group.name, f"{group.folder.parent.name}/{group.name}")
    return next((found for home in homes for name in names if (found := list_files(home / name, MASKS, findings))), {})


def look_around(root: Path, groups: list[Group], findings: Findings) -> None:
    """Note the folders near those of samples that look as if they were meant, and are not read."""
    for group in groups:
        if group.split == "train" and not is_normal(group.name):
            findings.add(group.folder, "counts as a defect, since folders of normal samples are good/, ok/ or normal/")
    for home in dict.fromkeys(group.home for group in groups if group.split):
        names = {group.name for group in groups if group.home == home}
        for folder in list_folders(home):
            inside = list_folders(folder)
            if split_of(folder.name) or (
                _is_masks(folder) and any(p.name in names or split_of(p.name) for p in inside)
            ):
                continue
            if role_of(folder.name):
                findings.add(folder, "not read here; it belongs beside the images, in <split>/<defect>/")
            elif any(is_normal(path.name) for path in inside):
                findings.add(folder, "not read, since it is no split (train, validation, test)")


def mixed_roles(group: Group, findings: Findings) -> dict[str, dict[str, Path]]:
    """Return the files of a folder of samples without folders of roles; its masks may be where `masks_of` says."""
    roles = told_by_name(group.folder, findings)
    roles.setdefault("mask", masks_of(group, role_folders(group.folder), findings))
    return roles


def form_of(folder: Path) -> str | None:
    """Return what makes a folder one of images by role, in words; a role alone wants files in it."""
    found = role_folders(folder)
    colour = found.get("rgb")
    if geometry := found.get("depth", found.get("xyz")):
        return f"{colour.name}/ beside {geometry.name}/" if colour else f"{geometry.name}/"
    return f"{colour.name}/" if colour and visible(colour, COLOUR) else None


def told_apart(folder: Path) -> str | None:
    """Return how the files of a folder are depth or points by their names or types, in words; None if none is."""
    roles = {} if is_eyecandies(folder) else told_by_name(folder)
    if roles.keys().isdisjoint({"depth", "xyz"}):
        return None
    return f"files told apart by name ({', '.join(f'{len(files)} {role}' for role, files in roles.items())})"


def is_eyecandies(folder: Path) -> bool:
    """Whether the files of a folder are named as those of Eyecandies, which names depth and masks too."""
    return any(re.fullmatch(r"\d+_(image_[0-5]|info_depth)", path.stem) for path in folder.glob("[0-9]*_*"))


def told_by_name(folder: Path, findings: Findings | None = None) -> dict[str, dict[str, Path]]:
    """Return the images that lie in one folder by role and name: the role is in the name, or else in the extension.

    If some are depth or points, the name is what is left of the stem without the word of the role, else the stem.

    Raises
    ------
    FileError
        If two files could be one and the same of a sample.
    """
    files = visible(folder, [suffix for suffixes in _BY_TYPE.values() for suffix in suffixes], findings)
    stems = {path.stem for path in files}
    told = []
    for path in files:
        by_type = next(role for role, suffixes in _BY_TYPE.items() if path.suffix.lower() in suffixes)
        told.append((path, *(affix(path.stem, stems) or (by_type, path.stem))))
    several = any(role in ("depth", "xyz") for _, role, _ in told)
    roles: dict[str, dict[str, Path]] = {role: {} for role in (*_IMAGES, "mask", "foreground")}
    for path, role, rest in told:
        name = (rest or folder.name) if several and role in _IMAGES else path.stem
        if name in roles[role]:
            _refuse(path, roles[role][name], name)
        roles[role][name] = path
    return {role: files for role, files in roles.items() if files}


def _is_masks(folder: Path) -> bool:
    return (role_of(folder.name) or ("", 0))[0] == "mask"


def strangers(folder: Path, roles: Collection[str], findings: Findings) -> None:
    """Note the folders beside those of ``roles`` that have no role."""
    for path in list_folders(folder):
        if role_of(path.name) is None and path.name not in (*roles, *_PASSED_OVER):
            findings.add(path, "not read, since it is no rgb/, depth/, xyz/, mask/ or foreground/")
