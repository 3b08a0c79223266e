"""One camera in the spellings of many makers is one camera; what is none, or two, is refused by name."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from das3d_aug.errors import ParameterError
from das3d_aug.geometry import Intrinsics, Orthographic, camera_from_dict, describe_camera

FX, FY, CX, CY = 600.5, 601.0, 321.25, 239.0
K = [[FX, 0, CX], [0, FY, CY], [0, 0, 1]]
ROWS = [number for row in K for number in row]
COLUMNS = [number for column in zip(*K, strict=True) for number in column]
P = [FX, 0, CX, 0, 0, FY, CY, 0, 0, 0, 1, 0]
BARE = Intrinsics(FX, FY, CX, CY)
SIZED = Intrinsics(FX, FY, CX, CY, width=640, height=480)

SPELLINGS = {
    "plain": ({"fx": FX, "fy": FY, "cx": CX, "cy": CY}, BARE),
    "capitals": ({"FX": FX, "FY": FY, "CX": CX, "CY": CY, "Width": 640, "Height": 480}, SIZED),
    "realsense": (
        {"width": 640, "height": 480, "fx": FX, "fy": FY, "ppx": CX, "ppy": CY, "model": "none", "coeffs": [0] * 5},
        SIZED,
    ),
    "long names": ({"focal_length_x": FX, "focalLengthY": FY, "principal-point-x": CX, "Principal Point Y": CY}, BARE),
    "pairs": ({"FocalLength": [FX, FY], "PrincipalPoint": [CX, CY]}, BARE),
    "nerf": ({"fl_x": FX, "fl_y": FY, "cx": CX, "cy": CY, "w": 640, "h": 480, "frames": [{"file": "a"}]}, SIZED),
    "open3d": ({"width": 640, "height": 480, "intrinsic_matrix": COLUMNS}, SIZED),
    "rows": ({"width": 640, "height": 480, "intrinsic_matrix": ROWS}, SIZED),
    "nested rows": ({"camera_matrix": K}, BARE),
    "nested columns": ({"IntrinsicMatrix": [list(column) for column in zip(*K, strict=True)]}, BARE),
    "4 x 4": ({"intrinsics": [[FX, 0, CX, 0], [0, FY, CY, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, BARE),
    "ros": (
        {
            "image_width": 640, "image_height": 480, "camera_name": "narrow",
            "camera_matrix": {"rows": 3, "cols": 3, "data": ROWS},
            "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0, 0, 0, 0, 0]},
            "rectification_matrix": {"rows": 3, "cols": 3, "data": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
            "projection_matrix": {"rows": 3, "cols": 4, "data": [1, 0, 2, 0, 0, 1, 2, 0, 0, 0, 1, 0]},
        },
        SIZED,
    ),
    "ros message": ({"height": 480, "width": 640, "D": [], "K": ROWS, "R": [0] * 9, "P": [0] * 12}, SIZED),
    "ros 2 message": ({"height": 480, "width": 640, "k": ROWS, "r": [0] * 9}, SIZED),
    "P alone": ({"P": P}, BARE),
    "kalibr": ({"cam0": {"intrinsics": [FX, FY, CX, CY], "resolution": [640, 480], "camera_model": "pinhole"}}, SIZED),
    "zivid": (
        {"CameraIntrinsics": {"CameraMatrix": {"CX": CX, "CY": CY, "FX": FX, "FY": FY}, "Distortion": {"K1": 0}}},
        BARE,
    ),
    "depthai": ({"cameraData": [{"intrinsicMatrix": K, "width": 640, "height": 480}]}, SIZED),
    "size above": ({"width": 640, "height": 480, "depth": {"fx": FX, "fy": FY, "ppx": CX, "ppy": CY}}, SIZED),
    "twice the same": ({"fx": FX, "fy": FY, "cx": CX, "cy": CY, "K": K}, BARE),
    "two places, one camera": ({"color": {"K": K}, "depth": {"K": ROWS}}, BARE),
    "a scanner": ({"pitch_x": 0.1, "Pitch_Y": 0.2}, Orthographic(0.1, 0.2)),
    "centred in the corner": ({"K": [FX, 0, 0, 0, FY, 0, 0, 0, 1]}, Intrinsics(FX, FY, 0, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_spelling_is_read(name):
    document, camera = SPELLINGS[name]
    described = describe_camera(document)
    assert described.camera == camera_from_dict(document) == camera
    assert not described.distorted


REFUSED = {
    "none": ({"serial": 7, "poses": []}, "found serial, poses"),
    "nothing": ({}, "found nothing"),
    "no mapping": ([1, 2], r"got \[1, 2\]"),
    "one focal length": ({"fx": 1, "cx": 1, "cy": 1}, "found fx, cx, cy, but no fy"),
    "one pitch": ({"pitch_x": 1}, "found only one pitch"),
    "text": ({"fx": "600", "fy": 1, "cx": 1, "cy": 1}, "fx must be a number, got '600'"),
    "not finite": ({"fx": np.inf, "fy": 1, "cx": 1, "cy": 1}, "fx must be a finite number, got inf"),
    "beyond float": ({"fx": 10**400, "fy": 1, "cx": 1, "cy": 1}, "fx must be a finite number, got a whole number of"),
    "no focal length": ({"K": [0] * 9}, "k is no camera's matrix"),
    "negative": ({"fx": -1, "fy": 1, "cx": 1, "cy": 1}, "fx must be positive"),
    "short": ({"intrinsic_matrix": [1, 2]}, "intrinsicmatrix holds 2 numbers; a camera's matrix has 9"),
    "ragged": ({"K": [[1, 2, 3], [4, 5], [6, 7, 8, 9]]}, "k holds 9 numbers"),
    "full": ({"K": [1, 2, 3, 4, 5, 6, 7, 8, 1]}, "k is no camera's matrix, by rows or by columns"),
    "a rotation": ({"K": [0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1]}, "it must end with 1, with 0 below fx, got 1.0 and 0.6"),
    "skewed": ({"K": [600, 30, 320, 0, 600, 240, 0, 0, 1]}, "k has a skew of 30.0 pixels"),
    "two cameras": (
        {"color": {"K": ROWS}, "depth": {"fx": 1, "fy": 1, "cx": 1, "cy": 1}},
        r"holds several cameras \(color, depth\); keep one, that of the depth image",
    ),
    "stereo": ({"M1": K, "M2": [[1, 0, 2], [0, 1, 2], [0, 0, 1]]}, "m1 and m2 say different cameras"),
    "at odds": ({"fx": 1, "fy": 1, "cx": 1, "cy": 1, "K": K}, "fx, fy, cx, cy and k say different cameras"),
    "twice": ({"fx": 1, "FX": 2, "fy": 1, "cx": 1, "cy": 1}, "FX is there twice"),
    "half a pixel wide": ({"K": K, "width": 640.5, "height": 480}, "width must be a whole number, got 640.5"),
    "no pixels": ({"K": K, "width": 0, "height": 480}, "width must be a whole number in 1 …"),
    "azure kinect": (
        {"CalibrationInformation": {"Cameras": [{"Intrinsics": {"ModelParameters": [0.5, 0.5, 0.5, 0.6]}}]}},
        "ModelParameters are an Azure Kinect's own numbers",
    ),
    "endless": ({"a": {"a": {"a": {"a": {"a": {"a": {"K": K}}}}}}}, "found a$"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_camera_is_refused_by_name(name):
    document, said = REFUSED[name]
    with pytest.raises(ParameterError, match=said) as caught:
        camera_from_dict(document)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "lens",
    [
        {"coeffs": [0, 0.1, 0, 0, 0]},
        {"D": [-0.3, 0.1, 0, 0]},
        {"k1": 0.01, "k2": 0},
        {"p2": -1e-4},
        {"distortion_coefficients": {"rows": 1, "cols": 5, "data": [0, 0, 0, 0, 1e-5]}},
        {"Distortion": {"K1": -0.09, "K2": 0}},
        {"distortion": {"model": "none", "coeffs": [0.0, 0.2]}},
        {"RadialDistortion": [0.1, 0]},
        {"distCoeffs": [[0.1, 0]]},
    ],
)
def test_a_lens_that_distorts_is_noticed(lens):
    assert describe_camera({"fx": 1, "fy": 1, "cx": 1, "cy": 1, **lens}).distorted
    assert describe_camera({"depth": {"fx": 1, "fy": 1, "cx": 1, "cy": 1}, **lens}).distorted
    straight = {name: [0, 0, 0, 0, 0] if isinstance(value, list) else 0 for name, value in lens.items()}
    assert not describe_camera({"fx": 1, "fy": 1, "cx": 1, "cy": 1, **straight}).distorted


def test_a_depth_factor_is_told_and_not_used():
    found = describe_camera({"intrinsic_matrix": K, "factor_depth": [[1000]]})
    assert (found.camera, found.depth_factor) == (BARE, 1000.0)
    assert describe_camera({"K": K}).depth_factor is None


@pytest.mark.parametrize("number", [600, np.float32(600), np.int16(600), Decimal(600), Fraction(600)])
def test_numbers_are_stored_as_floats(number):
    for camera in (Intrinsics(number, number, number, number), Orthographic(number, number, number, number)):
        assert {type(value) for value in camera.to_dict().values()} == {float}
    sized = Intrinsics(number, 1, 1, 1, width=np.int64(640), height=480)
    assert sized.to_dict() == {"fx": 600.0, "fy": 1.0, "cx": 1.0, "cy": 1.0, "width": 640, "height": 480}
    assert {type(sized.width), type(sized.height)} == {int}


def test_the_size_is_the_file_s_and_no_derived_image_s():
    assert list(BARE.to_dict()) == ["fx", "fy", "cx", "cy"]
    assert camera_from_dict(SIZED.to_dict()) == SIZED
    assert SIZED.scaled(0.5, 0.5) == BARE.scaled(0.5, 0.5)
    assert SIZED.padded(2, 3) == BARE.padded(2, 3)
    for size in ({"width": 640}, {"height": 480}, {"width": 0, "height": 1}, {"width": 1.5, "height": 1}):
        with pytest.raises(ParameterError, match=r"(width|height) must be a whole number"):
            Intrinsics(1, 1, 1, 1, **size)
