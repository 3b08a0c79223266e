from das3d_aug.datasets import open_dataset
from das3d_aug.fitting import fit, gap, measure, synthetic_samples
from das3d_aug.generation import write_demo_set
from das3d_aug.synthesis import Recipe

from sheet import save

write_demo_set(
    "flaws",
    families=("flange",),
    train=4,
    validation=0,
    good=0,
    per_defect=4,
    size=128,
)
samples = list(open_dataset("flaws"))
good = [sample for sample in samples if not sample.entry.label]
bad = [
    sample for sample in samples if sample.entry.defect in ("dent", "stain")
]  # labelled: yours, here the demo's
real = measure(bad)

start = Recipe(
    kinds={"dent": 1, "stain": 1}, size=(0.3, 0.7), dropout=0
)  # far too large
rows = [
    {
        f"real: {sample.entry.defect}, {k}": sample.mask
        for k, sample in enumerate(bad[::2])
    }
]
for name, recipe in (
    ("before", start),
    ("fitted", fit(real, good, recipe=start, draws=8)),
):
    made = list(synthetic_samples(good, recipe=recipe, count=20))
    distance = gap(measure(made), real).wasserstein
    rows.append(
        {
            f"{name}, distance {distance:.1f}, {k}": sample.mask
            for k, sample in enumerate(made[:4])
        }
    )
save(__file__, *rows)
