"""The server without a browser: it draws what generate writes, and answers the page of this machine alone."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from helpers.dumps import put
from helpers.galleries import HOSTILE, depth_of, held, inflated, write_parts
from starlette.testclient import TestClient

from das3d_aug.datasets import open_dataset
from das3d_aug.datasets.demo import make_part
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_aug.files import encode_png
from das3d_aug.fitting import measure, synthetic_samples
from das3d_aug.generation import generate
from das3d_aug.playground import Playground, bench, serve
from das3d_aug.playground.controls import controls, values_of
from das3d_aug.playground.server import app_of
from das3d_aug.synthesis import Recipe
from das3d_aug.synthesis.kinds import KINDS, DefectKind

KEY = "a-key"
SURE = Recipe(kinds={"dent": 1.0, "stain": 1.0}, size=(0.3, 0.5), dropout=0.0)

_SERVE = """
import sys
from das3d_aug.playground import Playground, serve
Playground.warm = lambda self: None
try:
    serve(Playground(), ready=lambda address: print(address, flush=True))
except KeyboardInterrupt:
    sys.exit("ended")
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("playground") / "parts")


def client(playground: Playground, **options: Any) -> TestClient:
    app = app_of(playground, key=KEY)
    return TestClient(app, base_url="http://127.0.0.1:8000", headers={"X-Key": KEY}, **options)


def question(recipe: Recipe = SURE, **fields: Any) -> dict[str, Any]:
    return {"recipe": values_of(recipe) | fields, "seed": 0, "part": 0}


def test_every_field_has_a_control_with_its_type_limits_and_words() -> None:
    found = {control["name"]: control for control in controls()}
    assert {*found} == {f.name for f in dataclasses.fields(Recipe) if f.init}
    assert all(control["about"] for control in found.values())
    assert found["area"]["about"].startswith("Share of the foreground that the ternary mask covers")
    forms = {name: (control["form"], control["optional"]) for name, control in found.items()}
    assert forms["probability"] == ("number", False)
    assert forms["reference_size"] == ("number", True)
    assert forms["skew"] == ("flag", False)
    assert forms["area"] == ("range", True)
    assert forms["height"] == ("span", True)
    assert forms["kinds"] == ("weights", True)
    assert found["depth_axis"]["options"] == ["away", "towards"]
    assert found["placement"]["options"] == ["anywhere", "edge", "structure"]
    assert found["dropout"]["ends"] == (0, 1)
    for name, control in found.items():
        assert Recipe.realistic(**{name: control["start"]})  # what stands there first can be used


def test_a_field_that_is_added_gets_a_control_by_itself() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Later(Recipe):
        """One more.

        Attributes
        ----------
        lamp : {"left", "right"}
            Where ``the`` light
            comes from.
        """

        lamp: Literal["left", "right"] = "left"

    added = next(control for control in controls(Later) if control["name"] == "lamp")
    assert (added["form"], added["options"], added["default"]) == ("choice", ["left", "right"], "left")
    assert added["about"] == "Where the light comes from."


def test_kinds_of_others_have_weights_too(monkeypatch: pytest.MonkeyPatch) -> None:
    own = DefectKind(name="own", about="What is ours.", draw=lambda stream: {}, render=lambda canvas, values: None)
    monkeypatch.setitem(KINDS, "own", own)
    weights = next(control for control in controls() if control["name"] == "kinds")
    assert set(weights["options"]) == {"skewed", *KINDS}
    assert Playground().page()["about"]["own"] == "What is ours."


@pytest.mark.parametrize("recipe", [SURE, dataclasses.replace(SURE, dropout=0.5), Recipe(area=(0.1, 0.2))])
def test_what_is_drawn_is_what_generate_writes(parts: Path, tmp_path: Path, recipe: Recipe) -> None:
    generate(parts, tmp_path / "made", recipe=recipe, seed=5)
    playground = Playground(parts)
    stored = sorted(open_dataset(tmp_path / "made"), key=lambda sample: sample.entry.key[-3:])
    assert len(stored) == 3
    for part, there in enumerate(stored):
        reply = playground.draw(recipe, seed=5, part=part, whole=False)
        sample = reply["sample"]
        np.testing.assert_array_equal(inflated(sample["marks"]).reshape(there.shape) > 0, there.need("mask"))
        width = sample["range"][1] - sample["range"][0]
        apart = np.abs(depth_of(sample) - there.need("depth"))[there.need("valid")]
        assert apart.max() <= 0.51 * width / 65534
        assert not there.need("mask").any() or "colour and depth" not in reply["kept"]


def test_what_dropout_leaves_out_is_shown_and_said() -> None:
    never = dataclasses.replace(SURE, dropout=1.0)
    reply = Playground().draw(never, seed=1, part=0)
    assert reply["sample"]["pixels"] > 0
    assert reply["sample"]["changed"] == "both"
    assert reply["kept"] == "colour and depth (dropout)"
    assert Playground().draw(never, seed=1, part=0, whole=False)["sample"]["pixels"] == 0
    seldom = dataclasses.replace(SURE, probability=0.0)
    assert Playground().draw(seldom, seed=1, part=0)["kept"] == "colour and depth (probability)"
    one = dataclasses.replace(SURE, modality="rgb")
    assert Playground().draw(one, seed=1, part=0)["kept"] == "depth (modality)"
    assert Playground().draw(SURE, seed=1, part=0)["kept"] == ""


def test_one_modality_is_enough(tmp_path: Path) -> None:
    part = make_part("potato", seed=1, index=0, size=48)
    put(tmp_path / "rgb/0.png", encode_png(part.rgb))
    reply = Playground(tmp_path).draw(SURE, seed=0, part=0)
    assert reply["sample"]["pixels"] > 0
    assert "depth" not in reply["sample"]
    assert reply["kept"] == ""


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"dropout": 2}, "dropout", "dropout must be"),
        ({"dropout": ""}, "dropout", "dropout must be"),
        ({"area": [0.5, 0.1]}, "area", "low <= high"),
        ({"area": ["a", None]}, "area", "area must be"),
        ({"resolution": [3, 8]}, "resolution", "powers of two"),
        ({"kinds": {"dent": -1}}, "kinds", "kinds.dent must be"),
        ({"kinds": {"dent": 0}}, "kinds", "all are 0"),
        ({"kinds": {"<b>": 1}}, "kinds", "kind must be one of"),
        ({"size": {"choice": []}}, "size", "size.choice must be"),
        ({"kinds": None}, "size", "size is of kinds of defects"),
        ({"length_unit": "mm", "height": None}, "length_unit", "needs size and height in mm"),
        ({"sgima": 1}, None, "has no field sgima"),
        ({"texture_operations": 1.5}, "texture_operations", "texture_operations must be"),
    ],
)
def test_a_wrong_value_is_said_in_the_packages_own_sentence(fields: Any, field: str | None, said: str) -> None:
    http = client(Playground())
    for asked in ("draw", "save"):
        answer = http.post(f"/{asked}", json=question(**fields))
        assert answer.status_code == 422
        assert answer.json()["field"] == field
        assert said in answer.json()["error"]
        assert "\n" not in answer.json()["error"]
    assert http.post("/draw", json=question()).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"\xff", b'{"recipe": NaN}', b'{"recipe": 3}', b"[" * 5000,
        b'{"recipe": {}, "seed": -1, "part": 0}',
        b'{"recipe": {}, "part": 99}', b'{"recipe": {}, "part": "../x"}', b'{"recipe": {}, "part": 0, "whole": 2}',
        b'{"recipe": {"sigma": [1, 1e400]}, "part": 0}',
    ],
)  # fmt: skip
def test_what_is_no_question_is_refused_in_a_sentence(body: bytes) -> None:
    answer = client(Playground()).post("/draw", content=body)
    assert answer.status_code == 422, answer.text
    assert "\n" not in answer.json()["error"]


def test_only_the_page_of_this_machine_is_answered() -> None:
    http = client(Playground())
    asked = question()
    assert http.get("/", params={"key": KEY}).status_code == 200
    for params in ({}, {"key": ""}, {"key": "other"}):
        assert http.get("/", params=params).status_code == 403
    for headers in ({"X-Key": b""}, {"X-Key": b"other"}, {"X-Key": b"\xe9"}):
        answer = http.post("/draw", json=asked, headers=headers)
        assert (answer.status_code, "sample" in answer.text) == (403, False)
    for host in ("evil.example", "127.0.0.1.evil.example", "192.168.0.2:8000"):
        assert http.post("/draw", json=asked, headers={"Host": host}).status_code == 400
        assert http.get("/", params={"key": KEY}, headers={"Host": host}).status_code == 400
    assert http.get("/draw").status_code == 405
    assert http.post("/draw", content=b" " * 70_000).status_code == 413
    for path in ("/page.html", "/../pyproject.toml", "/%2e%2e/__init__.py", "/server.py", "//etc/passwd"):
        assert http.get(path).status_code == 404
    policy = http.get("/playground.js").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_recipe_is_written_where_the_command_said_and_draws_the_same(tmp_path: Path) -> None:
    playground = Playground(out=tmp_path / "mine.toml")
    recipe = Recipe.realistic(size=(0.2, 0.4), placement={"edge": 1.0, "anywhere": 0.0})
    recipe = dataclasses.replace(recipe, kinds={**recipe.kinds, "skewed": 0.0, "crack": 0.0})
    answer = client(playground).post("/save", json={**question(recipe), "out": "elsewhere.toml"}).json()
    assert answer["written"] == str(tmp_path / "mine.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]
    saved = Recipe.from_toml(tmp_path / "mine.toml")
    assert "crack" not in saved.kinds
    for seed in range(5):
        first, second = (playground.draw(one, seed=seed, part=1)["sample"] for one in (recipe, saved))
        assert first == second
    assert client(Playground()).post("/save", json=question(Recipe())).json()["written"] is None


def test_a_recipe_is_read_from_the_text_of_its_file() -> None:
    http = client(Playground())
    assert http.post("/read", json={"toml": SURE.to_toml()}).json() == json.loads(json.dumps(values_of(SURE)))
    for toml, said in (("sgima = 1", "no field sgima"), ("= 3", "is not TOML"), (3, "toml must be text")):
        answer = http.post("/read", json={"toml": toml})
        assert (answer.status_code, said in answer.json()["error"]) == (422, True)


def test_figures_are_those_of_samples_of_the_recipe_however_they_are_asked_for(parts: Path) -> None:
    playground = Playground(parts)

    def rows(most: int) -> list[Any]:
        found, start = [], 0
        while start < 9:
            reply = playground.figures(SURE, seed=3, start=start, most=min(most, 9 - start))
            assert start < reply["next"] <= 9
            found += reply["rows"]
            start = reply["next"]
        return found

    together = rows(9)
    assert together == rows(1)
    good = [sample for sample in open_dataset(parts) if sample.entry.split == "train"]
    drawn = [
        sample
        for start in range(9)
        for sample in synthetic_samples([good[start % 3]], recipe=SURE, count=1, seed=3, epoch=start)
    ]
    expected = measure(drawn)
    np.testing.assert_array_equal([row[0] for row in together], expected.pixels)
    np.testing.assert_allclose([row[3] for row in together], 1000 * expected.depth_change, rtol=2e-3)
    areas = [row[1] / row[0] for row in together]  # 100 mm on 64 px, seen from 500 mm
    assert np.median(areas) == pytest.approx((100 / 64) ** 2, rel=0.1)


def test_labelled_defects_stand_beside_them(parts: Path, tmp_path: Path) -> None:
    beside = Playground(beside=parts).page()["beside"]
    (real,) = [sample for sample in open_dataset(parts) if sample.mask is not None and sample.mask.any()]
    assert (beside["samples"], beside["name"]) == (1, "parts")
    assert [row[0] for row in beside["rows"]] == list(measure([real]).pixels)
    part = make_part("potato", seed=1, index=0, size=48)
    put(tmp_path / "rgb/0.png", encode_png(part.rgb))
    with pytest.raises(FileError, match="no labelled defect"):
        Playground(beside=tmp_path)


def test_a_part_that_cannot_be_opened_is_said_and_the_others_are_drawn(tmp_path: Path) -> None:
    write_parts(tmp_path)
    put(tmp_path / "biscuit/train/good/rgb/001.png", b"nothing")
    http = client(Playground(tmp_path))
    answer = http.post("/draw", json={**question(), "part": 1})
    assert (answer.status_code, answer.json()["field"]) == (422, None)
    assert "001.png: is not a PNG" in answer.json()["error"]
    assert http.post("/draw", json={**question(), "part": 2}).status_code == 200


def test_names_are_text(tmp_path: Path) -> None:
    part = make_part("potato", seed=1, index=0, size=32)
    put(tmp_path / HOSTILE / f"rgb/{HOSTILE}.png", encode_png(part.rgb))
    http = client(Playground(tmp_path / HOSTILE))
    page = http.get("/", params={"key": KEY}).text
    assert "<img" not in page
    put(tmp_path / "page.html", page.encode())
    assert held(tmp_path / "page.html")["parts"] == [HOSTILE]


def test_what_cannot_be_begun_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = make_part("biscuit", seed=2, index=0, size=48, defect="dent")
    put(tmp_path / "rgb/0.png", encode_png(part.rgb))
    put(tmp_path / "mask/0.png", encode_png(part.mask.astype(np.uint8) * 255))
    with pytest.raises(FileError, match="has no normal sample to draw defects on"):
        Playground(tmp_path)
    with pytest.raises(ParameterError, match="port must be a free one, got 70000"):
        serve(Playground(), port=70000)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(Das3dError, match=r"the playground needs uvicorn: pip install '\.\[playground\]'"):
        serve(Playground())


def test_kernels_are_compiled_with_a_small_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "0.png", encode_png(np.full((900, 1200, 3), 120, np.uint8)))
    playground, shapes = Playground(tmp_path, recipe=SURE), []
    drawn = bench.synthesize
    monkeypatch.setattr(
        bench, "synthesize", lambda rgb, *rest, **keys: shapes.append(rgb.shape) or drawn(rgb, *rest, **keys)
    )
    playground.warm()
    assert set(shapes) == {(192, 256, 3)}
    assert playground.draw(SURE, seed=0, part=0)["sample"]["full"] == [1200, 900]


def test_ctrl_c_is_no_traceback_while_one_asks() -> None:
    command = [sys.executable, "-c", _SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = re.search(r"127.0.0.1:(\d+)/\?key=(\S+)", process.stdout.readline())
        assert address is not None
        with socket.create_connection(("127.0.0.1", int(address[1]))) as hanging:
            head = f"POST /draw HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Key: {address[2]}\r\nContent-Length: 9\r\n\r\n"
            hanging.sendall(f"GET /page.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n{head}".encode())
            assert hanging.recv(12) == b"HTTP/1.1 200"  # it listens, and reads on
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
    assert "ended" in said
    assert "Traceback" not in said
