"""Every result carries its Plan; the Plan's JSON replays to the same bytes."""

import json

from helpers.dumps import recipes, write_mvtec
from helpers.pairs import RECIPES, digest, pair
from helpers.processes import python

from das3d_aug import Plan, render, synthesize
from das3d_aug.generation import generate, replay


def test_drawn_dumped_loaded_and_rendered_elsewhere(tmp_path, record_property):
    rgb, depth = pair()
    made = [synthesize(rgb, depth, recipe=recipe, seed=9, index=k) for recipe in RECIPES.values() for k in range(3)]
    assert all(isinstance(result.plan, Plan) for result in made)
    (tmp_path / "plans.json").write_text(json.dumps([result.plan.to_json() for result in made]))
    code = (
        "import json, sys; from das3d_aug import Plan, render; from helpers.pairs import digest, pair\n"
        "plans = json.load(open(sys.argv[1]))\n"
        "print(*(digest(render(*pair(), Plan.from_json(plan))) for plan in plans))"
    )
    assert python(code, tmp_path / "plans.json").split() == [digest(result) for result in made]
    again = render(rgb, depth, Plan.from_json(made[0].plan.to_json()))
    assert again.plan == made[0].plan
    record_property("figure", f"{len(made)} plans of {len(RECIPES)} recipes, loaded in another process: equal bytes")


def test_what_generate_wrote_replays(tmp_path):
    out = tmp_path / "out"
    generate(write_mvtec(tmp_path / "parts"), out, per_image=2, seed=0)
    assert len(recipes(out)) == 6
    assert all(replay(recipe).differences == () for recipe in recipes(out))
