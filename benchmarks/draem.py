"""anomalib's Draem beside das3d's networks without an encoder, the same CPU seconds each: colour alone, 128 x 128.

It needs what `make test-plug-in` installs, and there also ``.venv-plug-in/bin/pip install -e '.[ref]'``; one run:

    OMP_NUM_THREADS=1 .venv-plug-in/bin/python -m benchmarks.draem own --data SET --category NAME --seconds 300

* ``own``: Draem, its loss and optimiser with its own generator; ``ours``: the same with `AnomalyModule` in its place.
* ``das3d``: `das3d_ref` with preset ``demo``; it wants ``--steps``, and prints the seconds that these took.

DTD cannot be had here, so all three take foreign textures of one kind: computed surfaces and plain colours.  Draem runs
in bfloat16 and channels_last, as das3d does, which more than doubles its steps; its milestones, epochs 400 and 600, are
not reached.  ``--width 16`` gives both of its networks an eighth of their channels.  An image's score is the largest
mean over 5 x 5 pixels of its map, for all; I-AUROC is the mean over the kinds of defects.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from anomalib.models import Draem
from anomalib.models.image.draem.torch_model import DiscriminativeSubNetwork, ReconstructiveSubNetwork
from numpy.typing import NDArray
from torch import Tensor

from das3d_aug import Recipe
from das3d_aug.adapters import AnomalyModule
from das3d_aug.files import encode_png, write_atomic
from das3d_aug.textures import PlainTextures, ProceduralTextures
from das3d_ref import Config, Detector, Evaluation, Source, evaluate, open_source, train
from das3d_ref.evaluation.judge import judge_maps
from das3d_ref.metrics import image_auroc
from das3d_ref.model.inputs import Item

BATCH = 4  # that of preset "demo"


def main() -> None:
    """Train, judge, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=("own", "ours", "das3d"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--category")
    parser.add_argument("--cache", default="out/prepared")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--steps", type=int, default=1200, help="of das3d")
    parser.add_argument("--width", type=int, default=128, help="of Draem")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.set_num_threads(1)
    config = Config.preset("demo").override(
        ["mode=rgb", "preparation.foreground=all", f"seed={options.seed}", f"training.steps={options.steps}"]
    )
    source = open_source(options.data, category=options.category, config=config, cache=options.cache)
    with tempfile.TemporaryDirectory() as folder:
        if options.method == "das3d":
            steps, seconds = options.steps, time.process_time()
            train(source, Path(folder) / "detector", config=config)
            seconds = time.process_time() - seconds
            found = evaluate(Detector.load(Path(folder) / "detector"), source)
        else:
            torch.manual_seed(options.seed)
            write_textures(Path(folder))
            model = Draem(dtd_dir=folder)
            if options.method == "ours":
                model.augmenter = AnomalyModule(Recipe.realistic(probability=0.5), seed=options.seed, texture=folder)
            if options.width != 128:
                model.model.reconstructive_subnetwork = ReconstructiveSubNetwork(base_width=options.width)
                model.model.discriminative_subnetwork = DiscriminativeSubNetwork(6, 2, options.width // 2)
            steps, seconds = train_draem(model, source, options.seconds)
            found = judge_maps(source, finder(model), window=config.score.window)
    said = {"data": Path(options.data).name, "method": options.method, "width": options.width, "seed": options.seed}
    print(json.dumps(said | {"steps": steps, "seconds": round(seconds)} | figures(found)), flush=True)


def write_textures(folder: Path) -> None:
    """Write the textures of preset "demo" as files, which is what Draem reads."""
    for sort in (ProceduralTextures(), PlainTextures()):
        for number in range(64):
            name, texture = sort.pick(number)
            write_atomic(folder / f"{name}.png", encode_png(texture))


def train_draem(model: Draem, source: Source, seconds: float) -> tuple[int, float]:
    """Train in place as `Draem.training_step` does; return the steps and the CPU seconds."""
    images = torch.stack([image_of(source.item(entry, None)) for entry in source.train])
    network = model.model.to(memory_format=torch.channels_last).train()
    (optimizer,), _ = model.configure_optimizers()
    steps, order, start = 0, iter(()), time.process_time()
    while time.process_time() - start < seconds:
        chosen = next(order, None)
        if chosen is None:
            order = iter(torch.randperm(len(images)).split(BATCH))
            continue
        normal = images[chosen]
        anomalous, masks = model.augmenter(normal)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rebuilt, logits = network(anomalous.contiguous(memory_format=torch.channels_last))
        model.loss(normal, rebuilt.float(), masks, logits.float()).backward()
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    return steps, time.process_time() - start


def finder(model: Draem) -> Callable[[Item], NDArray[np.float32]]:
    """Return what makes an anomaly map of an image, as `Draem.validation_step` does."""
    network = model.model.eval()

    @torch.inference_mode()
    def find(item: Item) -> NDArray[np.float32]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found: Tensor = network(image_of(item)[None].contiguous(memory_format=torch.channels_last)).anomaly_map
        return found[0].float().numpy()

    return find


def image_of(item: Item) -> Tensor:
    """Return the colour, 3 x H x W in 0 … 1; grey thrice."""
    return torch.from_numpy(item.sample.need("rgb").transpose(2, 0, 1).astype(np.float32) / np.float32(255))


def figures(found: Evaluation) -> dict[str, float]:
    """Return the three figures of the table."""
    kinds = sorted({image["defect"] for image in found.images if image["label"]})
    one_kind = [[image for image in found.images if image["defect"] in (kind, "good")] for kind in kinds]
    areas = [image_auroc([one["score"] for one in some], [one["label"] for one in some]) for some in one_kind]
    pixels = {name: found.figures[name] for name in ("P-AUROC", "AUPRO@0.3")}
    return {name: round(value, 3) for name, value in ({"I-AUROC": float(np.mean(areas))} | pixels).items()}


if __name__ == "__main__":
    main()
