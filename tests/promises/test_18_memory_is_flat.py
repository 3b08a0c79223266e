"""Memory is flat over long runs: 2,000 samples, private growth < 5 MiB per process."""

from helpers.processes import python

CODE = """
from helpers import pairs as t
from das3d_aug import synthesize
def own():
    # not Pss: its share of the libraries grows when another process that has them ends
    lines = [line.split() for line in open("/proc/self/smaps_rollup")]
    return sum(int(line[1]) for line in lines if line[0] == "Private_Dirty:") / 1024
rgb, depth = t.pair()
recipes = list(t.RECIPES.values())
for k in range(1000):  # textures, buffers: what is kept for good
    synthesize(rgb, depth, recipe=recipes[k % len(recipes)], seed=0, index=k)
before = own()
for k in range(2000):
    synthesize(rgb, depth, recipe=recipes[k % len(recipes)], seed=0, index=1000 + k)
print(own() - before)
"""


def test_over_2000_samples(record_property):
    grown = float(python(CODE))
    assert grown < 5
    record_property("figure", f"2,000 samples of all recipes after 1,000: {grown:+.1f} MiB of private memory")
