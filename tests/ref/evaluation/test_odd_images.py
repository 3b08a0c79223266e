"""What is odd about an image is said where it is judged."""

from types import SimpleNamespace

import numpy as np
from helpers.own_files import put

from das3d_aug.datasets import open_dataset
from das3d_aug.errors import ParameterError
from das3d_aug.files import encode_png
from das3d_ref.evaluation.prediction import predict_all


def test_a_black_image_is_said(tmp_path):
    def refuse(sample):
        raise ParameterError("is not judged here")

    put(tmp_path / "new" / "rgb" / "a.png", encode_png(np.zeros((8, 8, 3), np.uint8)))
    detector = SimpleNamespace(predict_sample=refuse, threshold=0.5, floors=None)
    found = predict_all(detector, open_dataset(tmp_path / "new"), tmp_path / "out")
    assert any("colour is black" in reason for _, reason in found.warnings)
