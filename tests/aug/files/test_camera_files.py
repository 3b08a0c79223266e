"""Camera files as ROS, OpenCV, MATLAB and people write them, and whether they belong to an image."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from das3d_aug import geometry
from das3d_aug.errors import FileError
from das3d_aug.files import camera_file, read_camera, read_camera_for
from das3d_aug.geometry import Intrinsics, Orthographic

K = [[525.0, 0, 319.5], [0, 524.5, 239.5], [0, 0, 1]]
CAMERA = Intrinsics(525, 524.5, 319.5, 239.5)
SIZED = Intrinsics(525, 524.5, 319.5, 239.5, width=640, height=480)
ROS = """\
image_width: 640
image_height: 480
camera_name: head
camera_matrix:
  rows: 3
  cols: 3
  data: [525., 0, 319.5, 0, 524.5, 239.5, 0, 0, 1]
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -2e-1, 0, 0, 0]}
"""
OPENCV = """\
%YAML:1.0
---
calibration_time: "Tue 03 Jun 2025"
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 5.2500000000000000e+02, 0., 3.1950000000000000e+02, 0.,
       5.2450000000000000e+02, 2.3950000000000000e+02, 0., 0., 1. ]
"""
XML = """\
<?xml version="1.0"?>
<!-- by a camera -->
<opencv_storage>
<image_width>640</image_width>
<image_height>480</image_height>
<Camera_Matrix type_id="opencv-matrix">
  <rows>3</rows>
  <cols>3</cols>
  <dt>d</dt>
  <data>
    525. 0. 3.195e+02 0. 524.5
    239.5 0. 0. 1.</data></Camera_Matrix>
</opencv_storage>
"""


def put(path: Path, content: str | bytes | dict) -> Path:
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "camera"),
    [
        ("a.json", {"K": K}, CAMERA),
        ("a.json", ("\ufeff" + json.dumps({"K": K})).encode(), CAMERA),
        ("a.json", json.dumps({"K": K}).encode("utf-16"), CAMERA),
        ("a.yaml", ROS, SIZED),
        ("a.YML", ROS.replace("\n", "\r\n"), SIZED),
        ("a.yml", OPENCV, SIZED),
        ("a.xml", XML, SIZED),
        ("a.yaml", "{pitch_x: 1e-1, pitch_y: 2}", Orthographic(0.1, 2)),
    ],
)
def test_a_file_is_read(tmp_path, name, content, camera):
    assert read_camera(put(tmp_path / name, content)) == camera


@pytest.mark.parametrize("compressed", [False, True])
def test_a_matlab_file_is_read_without_its_large_arrays(tmp_path, compressed):
    content = {"intrinsic_matrix": np.array(K), "factor_depth": np.array([[1000]]), "poses": np.zeros((3, 4, 90))}
    scipy.io.savemat(tmp_path / "meta.mat", content | {"about": {"lens": 3}, "note": "x"}, do_compression=compressed)
    assert read_camera(tmp_path / "meta.mat") == CAMERA
    camera, notes = read_camera_for(tmp_path / "meta.mat", (480, 640))
    assert camera == CAMERA
    assert notes == ("meta.mat names the depth factor 1000, which is not used: give it as depth_scale=",)
    assert read_camera_for(tmp_path / "meta.mat", (480, 640), depth_scale=1000) == (CAMERA, ())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"fx": 1' + "0" * 400 + "}", "401 digits"),
        ("a.json", "{}" + " " * 2**18, "at most 262144 are read"),
        ("a.yaml", "a: &a [1]\nK: *a", "alias"),
        ("a.yaml", "[1]", "a YAML mapping is expected"),
        ("a.xml", "<a><b></a>", "is not XML"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declarations"),
        ("a.xml", "<a>" * 50_000, "is not XML"),
        ("a.xml", "<a><K>1 2</K></a>", "k holds 2 numbers"),
        ("a.xml", "<a><fx>nan</fx><fy>1</fy><cx>1</cx><cy>1</cy></a>", "fx must be a finite number, got nan"),
        ("a.mat", b"MATLAB 7.3 MAT-file" + bytes(200), "is not MATLAB's .mat of version 5"),
        ("a.mat", b"", "is not MATLAB's .mat of version 5"),
        ("a.json", {"serial": 3}, "found serial"),
    ],
)
def test_what_is_no_camera_is_named(tmp_path, name, content, reason):
    path = put(tmp_path / name, content)
    with pytest.raises(FileError, match=reason) as caught:
        read_camera(path)
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


def test_a_cut_or_changed_matlab_file_is_named_or_read(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"K": np.array(K)}, do_compression=True)
    data = (tmp_path / "a.mat").read_bytes()
    for place in range(len(data)):
        for wrong in (data[:place], data[:place] + b"\xff" + data[place + 1 :]):
            put(tmp_path / "b.mat", wrong)
            with contextlib.suppress(FileError):  # and nothing else
                read_camera(tmp_path / "b.mat")


@pytest.mark.parametrize(
    ("shape", "factor"),
    [((480, 640), 1), ((240, 320), 1 / 2), ((1440, 1920, 3), 3), ((36, 48), 3 / 40)],
)
def test_the_camera_is_scaled_to_its_image(tmp_path, shape, factor):
    path = put(tmp_path / "camera.json", {"K": K, "width": 640, "height": 480})
    camera, notes = read_camera_for(path, shape)
    assert (camera.width, camera.height) == (shape[1], shape[0])
    found = [camera.fx, camera.fy, camera.cx + 0.5, camera.cy + 0.5]
    np.testing.assert_allclose(found, np.array([525, 524.5, 320, 240]) * factor)
    assert len(notes) == (factor != 1)
    if factor == 3 / 40:
        assert notes == (
            "camera.json is for an image of 640 x 480 pixels (width x height), and this one has 48 x 36: "
            "its camera was scaled by 3/40",
        )


@pytest.mark.parametrize(
    ("shape", "said"), [((640, 480), "turned by 90 degrees"), ((480, 639), "639 x 480"), ((240, 640), "640 x 240")]
)
def test_the_camera_of_another_image_is_refused(tmp_path, shape, said):
    path = put(tmp_path / "camera.json", {"K": K, "width": 640, "height": 480})
    with pytest.raises(FileError, match=said) as caught:
        read_camera_for(path, shape)
    assert caught.value.path == path


def test_a_lens_is_told(tmp_path):
    _, notes = read_camera_for(put(tmp_path / "ost.yaml", ROS), (480, 640))
    assert notes == (
        "ost.yaml names a lens distortion, which is not undone: points bend where it is strong; undistort",
    )


def test_a_folder_s_camera_is_found_by_name_or_by_what_it_holds(tmp_path):
    put(tmp_path / "data.yaml", "names: [a, b]")
    put(tmp_path / "broken.yml", "{")
    put(tmp_path / "other.json", {"K": K})
    assert camera_file(tmp_path) is None
    put(tmp_path / "ost.yaml", ROS)
    assert camera_file(tmp_path) == tmp_path / "ost.yaml"
    put(tmp_path / "head.yml", ROS)
    with pytest.raises(FileError, match=r"has several camera files \(head.yml, ost.yaml\); name the right one camera"):
        camera_file(tmp_path)
    for name in ("camera.xml", "camera.json", "intrinsic.json", "intrinsics.mat", "intrinsics.yml", "intrinsics.json"):
        put(tmp_path / name, "not asked here")
        assert camera_file(tmp_path) == tmp_path / name


def test_a_camera_that_leads_out_is_refused(tmp_path):
    put(tmp_path / "secret.json", {"K": K})
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "camera.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(FileError, match="leads outside"):
        camera_file(tmp_path / "set")


def test_geometry_still_knows_the_reader(tmp_path):
    assert geometry.read_camera is read_camera
    assert Intrinsics.from_json(put(tmp_path / "a.json", {"K": K})) == CAMERA
    with pytest.raises(AttributeError, match="has no attribute 'read_cameras'"):
        _ = geometry.read_cameras


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, False),
        ({"cx": -20.0}, False),
        ({"fx": 5000.0, "fy": 5000.0}, False),
        ({"cx": 6400.0}, True),
        ({"cy": -300.0}, True),
        ({"fx": 1e-9}, True),
        ({"fy": 0.6}, True),
        ({"fx": 6e5, "fy": 6e5}, True),
    ],
    ids=str,
)
def test_a_camera_that_hardly_fits_the_image_is_said(tmp_path, changes, said):
    path = put(tmp_path / "camera.json", {"fx": 150.0, "fy": 150.0, "cx": 64.0, "cy": 48.0} | changes)
    _, notes = read_camera_for(path, (96, 128))
    assert bool(notes) == said
    assert all("hardly fit an image of 128 x 96: is it the camera of this image?" in note for note in notes)
