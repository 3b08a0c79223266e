"""Training: a loop over steps, the same on a CPU, a GPU or several (``torchrun``, ``accelerate launch``).

A step sees the examples that (seed, step) name, so a run that was stopped and resumed equals one that was not, and
several processes share the batches that one would see.  Every ``validate_every`` steps the averaged weights are
judged on synthetic anomalies made from the normal validation images; the best are kept, with the scores of those
images themselves and the threshold that comes of them (`das3d_ref.model.score`).  Test images are never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from das3d_aug._arguments import as_float, check_whole
from das3d_aug.errors import Das3dError, FileError, ParameterError
from das3d_ref.config import Config
from das3d_ref.config_sections import TrainingConfig
from das3d_ref.model.checkpoint import FORMAT, STATE, load_state, save_checkpoint, save_state
from das3d_ref.model.detector import autocast, build_network, versions
from das3d_ref.model.features import FeatureNetwork
from das3d_ref.model.losses import total_loss
from das3d_ref.model.networks import Output
from das3d_ref.model.score import Calibration
from das3d_ref.training.examples import EncodedAnomalies, Example, SyntheticAnomalies, check_items
from das3d_ref.training.few_shot import MixedAnomalies, RealAnomalies
from das3d_ref.training.images import Source
from das3d_ref.training.log import TrainingLog
from das3d_ref.training.run_folder import check_run, claimed, digest_of
from das3d_ref.training.steps import Steps
from das3d_ref.training.threads import torch_threads
from das3d_ref.training.validation import Validation, tensors_of

__all__ = ["Trainer", "learning_rate", "train"]

_TIE = 0.01  # of average precision: 48 anomalies tell no less apart, and the later weights have learnt more
Progress = Callable[[int, int, dict[str, float]], None]


def train(
    source: Source,
    out: str | Path,
    *,
    config: Config,
    anomalies: Source | None = None,
    resume: bool = False,
    tensorboard: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a detector.

    Parameters
    ----------
    source : Source
        Of one category.
    out : path
        The folder for the detector (`das3d_ref.model.checkpoint`), the state to go on from and ``training.csv``.
    config : Config
    anomalies : Source, optional
        Its labelled anomalous images are learnt from too (`das3d_ref.training.few_shot`).
    resume : bool
        Go on with the run in ``out``, if there is one.
    tensorboard : bool
        Log for TensorBoard too (needs the ``tensorboard`` package).
    progress : callable, optional
        Called after every step with (steps done, steps in all, losses and, where there was one, the validation's
        figures).

    Returns
    -------
    dict
        The header of the detector that was kept.

    Raises
    ------
    Das3dError
        If the loss is not finite: what was saved before stays, and the message says of which step.
    FileError
        If ``out`` cannot be written, is in use, is not empty and ``resume`` is not given, or holds a run with another
        configuration or on other images.
    ParameterError
        If the images cannot be used (`das3d_ref.training.examples.check_items`), there are none to learn from or to
        validate with, or the processes cannot share the batch.
    """
    out = Path(out)
    check_run(out, config=config, resume=resume)
    with torch_threads(config.training.threads):
        trainer = Trainer(source, out, config=config, anomalies=anomalies)
        about = {"format": FORMAT, "images": trainer.images, **trainer.config.to_dict()}
        if trainer.real is not None:
            about["anomalies"] = trainer.real.digests
        with claimed(out, about, main=trainer.accelerator.is_main_process, resume=resume):
            trainer.accelerator.wait_for_everyone()
            if (out / STATE).is_file():
                trainer.restore()
            return trainer.run(progress, tensorboard=tensorboard)


class Trainer:
    """Networks, optimiser, averaged weights and the step they are at.

    Attributes
    ----------
    accelerator : accelerate.Accelerator
        Knows the device and the other processes.
    network, averaged : torch.nn.Module
        The weights that learn, and their moving average.
    step : int
        Steps done.
    header : dict
        Of the best detector so far; empty before the first validation.
    """

    def __init__(self, source: Source, out: Path, *, config: Config, anomalies: Source | None = None) -> None:
        if not source.train or not source.validation:
            there = len(source.train) + len(source.validation)
            raise ParameterError(
                f"{source.data or source.dataset.root}: two normal images are needed, one to learn from and one to "
                f"validate with; there {'is' if there == 1 else 'are'} {there}, none to "
                f"{'validate with' if source.train else 'learn from'}; what a folder or a mask marks as anomalous does "
                "not count"
            )
        config = source.narrowed(config)
        settings = config.training
        self.config, self.out = config, out
        # Without being told so, processes on CPUs would not find each other.  Precision is left to `autocast`.
        self.accelerator = Accelerator(cpu=not torch.accelerator.is_available(), mixed_precision="no")
        self.depth_range = source.depth_range(config)
        self.items = [source.item(entry, self.depth_range) for entry in source.train]
        good = [source.item(entry, self.depth_range) for entry in source.validation]
        self.images = digest_of(self.items, good)
        check_items(self.items, config)
        self.real = None if anomalies is None else RealAnomalies(anomalies, config, self.depth_range)
        held_out = () if self.real is None else tuple(map(self.real.example, self.real.held_out))
        self.validation = Validation(good, config, device=self.accelerator.device, real=held_out)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network: torch.nn.Module = build_network(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.whole: FeatureNetwork | None = None
        if isinstance(network, FeatureNetwork):
            self.whole = network.to(self.accelerator.device)
            self._fit(self.whole)
            network = network.head
        if config.network.norm == "batch" and self.accelerator.device.type == "cuda":
            network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        average = get_ema_multi_avg_fn(settings.ema)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(network, multi_avg_fn=average, use_buffers=True, device=self.accelerator.device)
        self.averaged.eval()
        if settings.compile:
            network.compile()
        self.network: torch.nn.Module = network.train()
        self.shared: torch.nn.Module = self.accelerator.prepare(network)  # the same weights, over all processes
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.scaler = torch.amp.GradScaler(self.accelerator.device.type, enabled=settings.precision == "fp16")
        self.step, self.best = 0, -math.inf
        self.header: dict[str, Any] = {}

    def run(self, progress: Progress | None = None, *, tensorboard: bool = False) -> dict[str, Any]:
        """Train to the last step; see `train`."""
        settings, process = self.config.training, self.accelerator
        steps = Steps(
            len(self.items),
            batch=settings.batch,
            seed=self.config.seed,
            first=self.step,
            last=settings.steps,
            rank=process.process_index,
            world=process.num_processes,
        )
        loader = DataLoader(
            self._examples(),
            batch_sampler=steps,
            num_workers=0 if self.whole else settings.workers,
            pin_memory=process.device.type == "cuda",
            generator=torch.Generator(),  # or it would draw a number from torch's own
        )
        log = TrainingLog(self.out, step=self.step, tensorboard=tensorboard) if process.is_main_process else None
        for batch in loader:
            figures = self._advance(batch)
            due = self.step % settings.validate_every == 0 or self.step == settings.steps
            if due:
                figures |= self._validate()
            if log is not None:
                log.add(self.step, figures)
                if due:
                    log.flush()
                    self._save()
                if progress is not None:
                    progress(self.step, settings.steps, figures)
        return self.header

    def restore(self) -> None:
        """Go back to the state in ``out``.

        Raises
        ------
        FileError
            If it is damaged.
        """
        about, tensors = load_state(self.out)
        groups: dict[str, dict[str, Tensor]] = {"network": {}, "averaged": {}, "optimizer": {}}
        try:
            for name, tensor in tensors.items():
                group, _, rest = name.partition(".")
                groups[group][rest] = tensor
            self.network.load_state_dict(groups["network"])
            self.averaged.load_state_dict(groups["averaged"])
            self._restore_optimizer(groups["optimizer"])
            self.scaler.load_state_dict(about["scaler"])
            self.step, self.best = check_whole("step", about["step"], 0, 2**63 - 1), as_float("best", about["best"])
            self.header = dict(about["header"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]  # torch lists all weights
            raise FileError(self.out / STATE, f"does not fit its run: {type(error).__name__} {reason}") from error

    def _advance(self, batch: Example) -> dict[str, float]:
        """Take one step of eq. 13."""
        settings, device = self.config.training, self.accelerator.device
        images = {
            name: tensor.to(device, memory_format=torch.channels_last, non_blocking=True)
            for name, tensor in batch.items()
        }
        rate = learning_rate(self.step, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with autocast(settings.precision, device):
            output = self._output(images)
        terms = total_loss(
            output,
            rgb=images.get("normal_rgb"),
            depth=images.get("normal_depth"),
            mask=images["mask"],
            config=self.config.loss,
        )
        means = self.accelerator.reduce(torch.stack(list(terms.values())).detach(), reduction="mean")
        figures = {"learning_rate": rate, **dict(zip(terms, means.tolist(), strict=True))}
        if not math.isfinite(figures["loss"]):
            self._stop(f"the loss is {figures['loss']} at step {self.step + 1}")
        self.scaler.scale(terms["loss"]).backward()  # type: ignore[no-untyped-call]
        if settings.clip:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.averaged.update_parameters(self.network)
        self.step += 1
        return figures

    def _output(self, images: Example) -> Output:
        if self.whole is None:
            output: Output = self.shared(images.get("rgb"), images.get("depth"))
            return output
        with torch.random.fork_rng():  # what the head drops depends on the step alone
            torch.manual_seed(self.config.seed + self.step)
            return self.shared(images)  # type: ignore[no-any-return]

    def _validate(self) -> dict[str, float]:
        """Judge the averaged weights; keep them if none before were better by more than a few anomalies tell."""
        network = self.averaged.module
        if self.whole is not None:
            network = self.whole = self.validation.calibrated(self.whole, network)
        try:
            found, scores, floors = self.validation.judge(network)
        except FloatingPointError as error:
            self._stop(f"{error} after step {self.step}")
        if found["AP"] > self.best - _TIE:
            self.best = max(found["AP"], self.best)
            self.header = {
                "config": self.config.to_dict(),
                "depth_range": None if self.depth_range is None else asdict(self.depth_range),
                "threshold": Calibration(scores).threshold(self.config.score.false_positives),
                "good_scores": sorted(scores),
                "good_floors": sorted(floors),
                "step": self.step,
                "validation": found,
                "versions": versions(),
            }
            if self.real is not None:
                self.header["anomalies"] = self.real.digests
            if self.accelerator.is_main_process:
                save_checkpoint(self.out, self.header, network.state_dict())
        return {f"validation {name}": figure for name, figure in found.items()}

    def _fit(self, network: FeatureNetwork) -> None:
        """Remember every other good image; the head learns from the rest, whose distances are not 0."""
        inputs = [tensors_of(item, self.config, self.accelerator.device) for item in self.items]
        others = inputs[1::2] or inputs
        with autocast(self.config.training.precision, self.accelerator.device):
            network.fit(inputs[::2], others, seed=self.config.seed)
        self.items = self.items[1::2] or self.items

    def _examples(self) -> Dataset[Example]:
        config = self.config
        examples = SyntheticAnomalies(self.items, config, seed=config.seed, crop=config.data.crop)
        if self.whole is None:
            return examples
        mixed = examples if self.real is None else MixedAnomalies(examples, self.real, seed=config.seed)
        return EncodedAnomalies(mixed, self.whole, precision=config.training.precision, pairs=config.features.pairs)

    def _save(self) -> None:
        """Write the state to go on from."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
        about = {"step": self.step, "best": self.best, "header": self.header, "scaler": self.scaler.state_dict()}
        save_state(self.out, about, tensors)

    def _restore_optimizer(self, tensors: Mapping[str, Tensor]) -> None:
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            number, _, moment = name.partition(".")
            moments.setdefault(int(number), {})[moment] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        for state in self.optimizer.state.values():
            for name, tensor in state.items():
                if tensor.ndim == 4:  # laid out as the weights, or the optimiser takes a slow path
                    state[name] = tensor.contiguous(memory_format=torch.channels_last)

    def _stop(self, reason: str) -> NoReturn:
        kept = f"keeps the detector of step {self.header['step']}" if self.header else "holds no detector yet"
        raise Das3dError(
            f"{reason}; {self.out} {kept}; train anew into another folder, with a smaller training.learning_rate or "
            "training.clip, or with training.precision='fp32'"
        )


def learning_rate(step: int, settings: TrainingConfig) -> float:
    """Return the learning rate of a step: warm-up, then the schedule."""
    rate = settings.learning_rate * min(1.0, (step + 1) / max(settings.warmup, 1))
    share = step / settings.steps
    if settings.schedule == "cosine":
        return rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
    return rate * (0.2 if share >= 0.8 else 1.0) * (0.2 if share >= 0.9 else 1.0)
