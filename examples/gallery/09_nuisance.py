from das3d_aug.datasets.demo import make_part
from das3d_aug.synthesis.nuisance import Nuisance, vary_normal

from sheet import save

part = make_part("potato", seed=0, index=0, size=256)
nuisance = Nuisance(exposure=(-0.6, 0.6), noise=(0.002, 0.004), dropout=(0.1, 0.3))
seen = [
    vary_normal(part.rgb, part.depth, nuisance=nuisance, seed=seed)
    for seed in (1, 2)
]
save(
    __file__,
    {"good part": part.rgb}
    | {f"seen again, {k}": rgb for k, (rgb, _) in enumerate(seen, 1)},
    {"surface": part.depth}
    | {f"surface, {k}": depth for k, (_, depth) in enumerate(seen, 1)},
)
