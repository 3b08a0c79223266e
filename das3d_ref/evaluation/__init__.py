"""Evaluation: a detector, or any detector's maps, on labelled images; verdicts on new ones; report and figures.

Here lives what judges and shows.  It may import training (its sources), model and metrics.
"""

from das3d_ref.evaluation.judge import evaluate, score_maps
from das3d_ref.evaluation.prediction import predict_all, predict_pair
from das3d_ref.evaluation.record import Evaluation

__all__ = ["Evaluation", "evaluate", "predict_all", "predict_pair", "score_maps"]
