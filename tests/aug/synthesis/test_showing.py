"""What pairs and recipes show of themselves."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from helpers.dumps import environment
from helpers.pairs import pair

from das3d_aug import Recipe, find_foreground, synthesize
from das3d_aug.synthesis import measure_severity

RECIPE = Recipe(dropout=0.0, area=(0.1, 0.1))


def made(kind="both", dtype=np.uint8):
    rgb, depth = pair(dtype=dtype)
    depth[3:6, 4:9] = np.nan
    images = {"both": (rgb, depth), "rgb": (rgb, None), "depth": (None, depth), "grey": (rgb[:, :, 0], depth)}[kind]
    return synthesize(*images, recipe=RECIPE, seed=1)


def test_a_pair_says_what_it_holds_and_what_changed():
    result = made()
    words = repr(result)
    assert len(words.splitlines()) <= 3
    assert len(words) < 240
    count = np.count_nonzero(result.mask)
    for part in (
        "96 x 120",
        "rgb uint8",
        "depth float32",
        "rgb and depth changed",
        f"{count} px",
        f"{result.delta.max():+.3g}",
    ):
        assert part in words
    assert "depth float" not in repr(made("rgb"))
    assert "rgb" not in repr(made("depth"))
    normal = synthesize(*pair(), recipe=Recipe(probability=0.0), seed=1)
    assert "normal: nothing has changed" in repr(normal)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(("kind", "panels"), [("both", 4), ("grey", 4), ("rgb", 2), ("depth", 3)])
def test_a_notebook_gets_one_picture(kind, panels, dtype):
    result = made(kind, dtype)
    found = cv2.imdecode(np.frombuffer(result._repr_png_(), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert found.shape == (96, 120 * panels + 4 * (panels - 1), 3)
    np.testing.assert_array_equal(found[:, -120:, 0] > 0, result.mask)
    if kind != "depth":
        full = 1 if dtype is np.uint8 else 255
        shown = result.rgb if kind != "grey" else np.repeat(result.rgb[:, :, None], 3, axis=2)
        np.testing.assert_array_equal(found[:, :120], np.rint(shown * full).astype(np.uint8))
    if kind != "rgb":  # red where the depth grew, blue where it shrank, white elsewhere
        change = found[:, -244:-124].astype(int)
        strong = np.abs(result.delta) > 0.1 * np.abs(result.delta).max()
        redder = change[:, :, 0] > change[:, :, 2]
        np.testing.assert_array_equal(redder[strong], result.delta[strong] > 0)
        assert (change[result.delta == 0] == 255).all()


def test_depth_without_a_valid_pixel_is_shown_too():
    nothing = synthesize(None, np.zeros((8, 9), np.float32), recipe=Recipe(probability=0.0), seed=0)
    assert nothing._repr_png_()


def test_show_returns_a_figure_with_titles():
    from matplotlib import pyplot

    with pyplot.rc_context({"backend": "agg"}):
        figure = made().show()
        figure.canvas.draw()
    titles = [axis.get_title() for axis in figure.axes]
    pyplot.close(figure)
    assert titles[0::3] == ["rgb", "mask"]
    assert "deeper" in titles[2]


def test_matplotlib_loads_with_show_only():
    code = (
        "import sys, numpy as np, das3d_aug as d; p = d.synthesize(np.zeros((9, 9, 3), np.uint8), None, seed=1); "
        "repr(p); p._repr_png_(); assert 'matplotlib' not in sys.modules; sys.modules['matplotlib'] = None\n"
        "try: p.show()\nexcept d.Das3dError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert done.stdout == "show needs matplotlib: pip install matplotlib\n", done.stderr


def test_a_recipe_shows_what_differs_from_the_defaults():
    assert repr(Recipe()) == "Recipe()"
    recipe = Recipe(dropout=0.25, area=None, sigma=(2, 3))
    assert repr(recipe) == "Recipe(area=None, sigma=(2.0, 3.0), dropout=0.25)"
    assert eval(repr(recipe)) == recipe


def test_plans_findings_and_severities_are_a_line():
    rgb, depth = pair()
    plans = {
        "Plan(96 x 120, skewed in rgb and depth)": RECIPE,
        "Plan(96 x 120, crack in rgb and depth)": Recipe(dropout=0.0, kinds={"crack": 1}, count=(1, 1)),
        "Plan(96 x 120, normal)": Recipe(probability=0.0),
        "Plan(96 x 120, skewed in depth)": Recipe(dropout=0.0, modality="depth"),
    }
    assert [repr(recipe.draw((96, 120), seed=1)) for recipe in plans.values()] == list(plans)
    severity = measure_severity(rgb, depth, synthesize(rgb, depth, recipe=RECIPE, seed=1))
    for shown in (severity, find_foreground(depth), Recipe(), RECIPE):
        assert len(repr(shown)) < 200
        assert "\n" not in repr(shown)
