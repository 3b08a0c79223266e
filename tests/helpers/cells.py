"""What the tests of benchmarks share: data to list, and cells that write an evaluation without training."""

from __future__ import annotations

import json
from pathlib import Path

from das3d_aug.errors import Das3dError
from das3d_aug.files import write_atomic
from das3d_ref.studies.cells import Study

SCORES = {"good/000": 0.2, "good/001": 0.4, "hole/000": 0.3, "hole/001": 0.9}


def study(data: Path, *overrides: str) -> Study:
    return Study(data=data, options={}, preset="smoke", overrides=overrides)


def write_evaluation(cell, *, figures=None, scores=SCORES):
    images = [
        {"key": key, "defect": key[:4], "label": not key.startswith("good"), "score": score, "verdict": None}
        for key, score in scores.items()
    ]
    found = {
        "figures": figures or {"I-AUROC": 0.75, "P-AUROC": 0.8, "AUPRO@0.3": 0.5},
        "protocol": {"AUPRO": "every threshold"},
        "images": images,
    }
    write_atomic(cell.evaluation, json.dumps(found).encode())  # others are read meanwhile


class Fake:
    """Runs cells by writing evaluations; those named in ``broken`` fail."""

    def __init__(self, *, broken=(), scores=lambda cell: SCORES):
        self.broken, self.scores, self.ran = broken, scores, []

    def __call__(self, cell, stop):
        self.ran.append(str(cell))
        if str(cell) in self.broken:
            raise Das3dError("the loss is nan")
        write_evaluation(cell, scores=self.scores(cell))
