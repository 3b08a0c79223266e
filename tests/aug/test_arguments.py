"""Numbers and seeds at the public border: any honest number is stored as a plain one, the rest is refused by name."""

import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from das3d_aug import ParameterError, Plan, Recipe, render, synthesize
from das3d_aug.errors import FileError, quoted
from das3d_aug.generation import generate, write_demo_set
from das3d_aug.preparation import Preparation
from das3d_aug.preview import contact_sheet
from das3d_aug.randomness import check_seed
from das3d_aug.synthesis import delta
from das3d_ref import Config
from das3d_ref.metrics.auroc_aupro import measure

WRONG_SEEDS = [None, -1, 2**64, 10**5000, 1.5, "7", np.array([1]), np.array([1, 2]), [[[[1]]]], Decimal(1), Fraction(1)]


@pytest.mark.parametrize("half", [0.5, Decimal("0.5"), Fraction(1, 2), np.float16(0.5), np.float64(0.5)])
def test_numbers_are_stored_plain(half):
    recipe = Recipe(probability=half, dropout=half, mask_threshold=half, sigma=(half, half), area=[half, half])
    assert recipe == Recipe(probability=0.5, dropout=0.5, mask_threshold=0.5, sigma=(0.5, 0.5), area=(0.5, 0.5))
    for value in (recipe.probability, recipe.dropout, recipe.mask_threshold, *recipe.sigma, *recipe.area):
        assert type(value) is float


@pytest.mark.parametrize("kind", [np.int8, np.uint64, int])
def test_whole_numbers_are_stored_plain(kind):
    recipe = Recipe(
        texture_operations=kind(2), reference_size=kind(64), probability=kind(1), resolution=(kind(2), kind(4))
    )
    assert [type(value) for value in (recipe.texture_operations, recipe.reference_size, *recipe.resolution)] == [
        int
    ] * 4
    assert type(recipe.probability) is float


@pytest.mark.parametrize(
    "value",
    [None, "1", True, np.bool_(True), 10**5000, Fraction(10**5000), Decimal("1e9999999"), Decimal("sNaN"),
     Decimal("NaN"), float("nan"), np.ones(1), np.ones(2), np.float32("inf"), 1j, [1], {"a": [[[[1]]]]}],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
@pytest.mark.parametrize(
    "name", ["probability", "mask_threshold", "texture_operations", "magnitude", "modality", "skew"]
)
def test_what_is_no_number_is_refused_by_name(name, value):
    if name == "skew" and isinstance(value, bool | np.bool_):
        return
    with pytest.raises(ParameterError, match=name) as caught:
        Recipe(**{name: (0, value) if name == "magnitude" else value})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("seed", WRONG_SEEDS, ids=lambda value: type(value).__name__)
def test_a_wrong_seed_is_refused_before_anything_is_listed(tmp_path, seed):
    missing, image = tmp_path / "missing", np.zeros((8, 8, 3), np.uint8)
    for name, call in {
        "draw": lambda: Recipe().draw((8, 8), seed=seed),
        "synthesize": lambda: synthesize(image, np.ones((8, 8), np.float32), seed=seed),
        "generate": lambda: generate(missing, tmp_path / "out", seed=seed),
        "preview": lambda: contact_sheet(missing, seed=seed),
        "demo set": lambda: write_demo_set(tmp_path / "out", seed=seed),
        "prepare": lambda: Preparation(seed=seed),
        "train": lambda: Config(seed=seed),
        "evaluate": lambda: measure([0.5], [True], seed=seed),
    }.items():
        with pytest.raises(ParameterError, match="seed must be") as caught:
            call()
        assert len(str(caught.value)) < 200, name
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", [7, np.int8(7), np.uint64(7)])
def test_an_integer_of_numpy_is_a_seed(seed):
    assert type(check_seed(seed)) is int
    assert Recipe().draw((8, 8), seed=seed) == Recipe().draw((8, 8), seed=7)
    assert type(Config(seed=seed).seed) is type(Preparation(seed=seed).seed) is int


@pytest.mark.parametrize(
    "shape", [(10**400, 8), (8, 2**24 + 1), (0, 8), (8,), None, "ab", np.ones(2), ([8], 8)], ids=quoted
)
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(ParameterError, match="shape must be"):
        Recipe().draw(shape, seed=0)


def test_a_plan_of_whole_numbers_compiles_nothing_anew():
    rng = np.random.default_rng(0)
    rgb, z = rng.integers(0, 256, (32, 40, 3), dtype=np.uint8), rng.uniform(1, 2, (32, 40)).astype(np.float32)
    drawn = Recipe(area=(0.2, 0.3), dropout=0).draw((32, 40), seed=1)
    render(rgb, z, drawn, foreground=z > 0)
    before = {name: list(value.signatures) for name, value in vars(delta).items() if hasattr(value, "signatures")}
    assert any(before.values())
    whole = {
        "rotation": 3,
        "threshold": 1,
        "area": 1,
        "alpha": [0, 0],
        "covariance": [2, 0, 1],
        "dent": 1,
        "bump": 1,
        "beta": 0,
    }
    texture = drawn.to_dict()["texture"] | {"row": 0, "column": 0, "rotation": 9, "scale": 1, "operations": []}
    plan = Plan.from_dict(drawn.to_dict() | whole | {"mask_threshold": 1, "texture": texture})
    assert {type(value) for value in (*plan.alpha, *plan.covariance, plan.dent, plan.beta, plan.rotation)} == {float}
    render(rgb, z, plan, foreground=z > 0)
    assert before == {
        name: list(value.signatures) for name, value in vars(delta).items() if hasattr(value, "signatures")
    }


def test_a_message_is_one_line_that_a_terminal_prints():
    for error in (FileError("a\x1b[31m", "b\nc\x1b[2J\0\ud800é"), ParameterError("b\nc\x1b[2J\0\ud800é")):
        assert str(error).endswith(r"b\nc\x1b[2J\x00\ud800é")
        assert str(error).isprintable()
    assert len(str(ParameterError("x" * 10**6))) < 1100
    assert pickle.loads(pickle.dumps(FileError("a", "b\n"))).reason == r"b\n"
