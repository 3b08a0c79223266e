"""Metrics: exact figures of anomaly maps (I-AUROC, P-AUROC, AP, F1, AUPRO) with their intervals.

Here lives counting and measuring on arrays.  It may import nothing of das3d_ref.
"""

from das3d_ref.metrics.auroc_aupro import (
    FIGURES,
    PUBLISHED,
    REPLICATES,
    Measured,
    aupro,
    evaluate_maps,
    image_auroc,
    interval,
    mark,
    measure,
)

__all__ = [
    "FIGURES",
    "PUBLISHED",
    "REPLICATES",
    "Measured",
    "aupro",
    "evaluate_maps",
    "image_auroc",
    "interval",
    "mark",
    "measure",
]
