"""A detector behind HTTP says what it says in Python, and refuses in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from helpers.runs import parts, settings

from das3d_aug.files import encode_png, encode_tiff
from das3d_ref import Detector
from das3d_ref.evaluation.prediction import read_pair
from das3d_ref.model.detector import build_network
from examples.serve import app_of


def made(mode: str = "rgbd") -> Detector:
    config = settings(mode=mode)
    torch.manual_seed(3)
    header = {"config": config.to_dict(), "threshold": 0.25, "depth_range": None}
    return Detector(build_network(config), header, device=torch.device("cpu"))


def pair() -> dict[str, Any]:
    folder = parts() / "potato/test/good"
    return {"image": next(folder.glob("rgb/*.png")), "xyz": next(folder.glob("xyz/*.tiff"))}


def sent(**files: tuple[str, bytes]) -> dict[str, tuple[str, bytes]]:
    there = {name: (path.name, path.read_bytes()) for name, path in pair().items()}
    return {**there, **files}


def test_a_pair_gets_the_verdict_that_python_gives() -> None:
    detector = made()
    client = TestClient(app_of(detector))
    assert client.get("/health").json() == {"status": "ok", "mode": "rgbd", "threshold": 0.25}
    answer = client.post("/predict", files=sent(), data={"unit": "m"})
    expected = detector.predict_sample(read_pair(**pair(), unit="m"))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["score"], found["anomalous"], found["p_value"]) == (expected.score, expected.label, None)
    assert found["unlike"] is None


def test_one_modality_is_enough_for_a_detector_of_one() -> None:
    answer = TestClient(app_of(made("rgb").adjusted(foreground="all"))).post(
        "/predict", files={"image": sent()["image"]}
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ({"image": ("a.png", b"nothing of the kind")}, 422, "image.png: is not a PNG file"),
        ({"image": ("../../\0a.p\0ng/../x", b"")}, 422, "image: "),
        ({"xyz": ("a.tiff", encode_tiff(np.ones((3, 4, 3), np.float32)))}, 422, "its partner image.png is 64 x 64"),
        ({"depth": ("a.png", encode_png(np.ones((64, 64), np.uint16)))}, 422, "needs its depth or its points, one"),
        ({"image": ("a.png", bytes(300_000))}, 413, "Content Too Large"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(
    files: dict[str, tuple[str, bytes]], status: int, said: str
) -> None:
    answer = TestClient(app_of(made(), most=200_000)).post("/predict", files=sent(**files), data={"unit": "m"})
    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert "/tmp" not in answer.text
    assert "\n" not in answer.text


def test_what_declares_more_pixels_than_are_allowed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAS3D_LIMITS", "pixels=1000")
    answer = TestClient(app_of(made())).post("/predict", files=sent(), data={"unit": "m"})
    assert (answer.status_code, "1 … 1000 are read" in answer.json()["detail"]) == (422, True)


def test_a_form_without_an_image_is_refused_in_a_sentence() -> None:
    client = TestClient(app_of(made()))
    assert client.post("/predict", data={"unit": "m"}).json() == {"detail": "image: Field required"}
    answer = client.post("/predict", files={"depth": sent()["image"]}, data={"image": "a.png"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("image: ")
