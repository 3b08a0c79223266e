"""One deliberate break a promise: a replacement in one file of das3d, after which a test of that promise must fail."""

from typing import NamedTuple


class Break(NamedTuple):
    """What is broken: ``old`` stands once in the file, and ``new`` is put in its place."""

    what: str
    file: str
    old: str
    new: str


BREAKS = {
    1: Break(
        "streams mix in the process id",
        "das3d_aug/randomness.py",
        "        key = 0\n",
        '        key = __import__("os").getpid()\n',
    ),
    2: Break(
        "a plan's JSON has four digits",
        "das3d_aug/synthesis/plan.py",
        "return json.dumps(self.to_dict())",
        "return json.dumps(json.loads(json.dumps(self.to_dict()), parse_float=lambda text: round(float(text), 4)))",
    ),
    3: Break("kernels are compiled with fastmath", "das3d_aug/_jit.py", "nogil=True,", "nogil=True, fastmath=True,"),
    4: Break(
        "eq. 8 loses a hundredth of the texture",
        "das3d_aug/synthesis/blend.py",
        "mixed = (np.float32(1.0) - beta)",
        "mixed = (np.float32(0.99) - beta)",
    ),
    5: Break(
        "big-endian numbers are taken for the machine's own",
        "das3d_aug/_arguments.py",
        'plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))',
        'plain = np.ascontiguousarray(array.view(array.dtype.newbyteorder("=")))',
    ),
    6: Break(
        "a dropped depth is the input itself",
        "das3d_aug/synthesis/pair.py",
        '"depth": None if depth is None else depth.copy()',
        '"depth": None if depth is None else depth if plan.drop_depth else depth.copy()',
    ),
    7: Break(
        "eq. 6 moves pixels of depth 0",
        "das3d_aug/synthesis/delta.py",
        "if not (enabled and z > 0 and z < np.inf):",
        "if not (enabled and z >= 0 and z < np.inf):",
    ),
    8: Break(
        "bumps are not in the mask",
        "das3d_aug/synthesis/delta.py",
        "mask[y, x] = True",
        "mask[y, x] = shares[found[n]] > 0",
    ),
    9: Break("plans of version 1 are not known", "das3d_aug/synthesis/plan.py", "VERSION = 1 ", "VERSION = 4 "),
    10: Break(
        "what decoders raise comes through",
        "das3d_aug/files/limits.py",
        '        raise FileError(path, f"damaged or unusual {kind}: {error}") from error\n',
        "        raise\n",
    ),
    11: Break(
        "declared sizes are not judged",
        "das3d_aug/files/limits.py",
        "if height < 1 or width < 1 or height * width > most:",
        "if height < 1 or width < 1:",
    ),
    12: Break(
        "no place is outside",
        "das3d_aug/files/whole.py",
        "if not target.is_relative_to(home):",
        "if not target.anchor:",
    ),
    13: Break(
        "weights are read by torch.load",
        "das3d_ref/model/checkpoint.py",
        "return Checkpoint(header, safetensors.torch.load(data))",
        'return Checkpoint(header, __import__("torch").load(__import__("io").BytesIO(data), weights_only=False))',
    ),
    14: Break(
        "files are written in their final place",
        "das3d_aug/files/whole.py",
        'partial = _beside(path)\n    try:\n        with partial.open("x+b")',
        'partial = path\n    try:\n        with partial.open("w+b")',
    ),
    15: Break(
        "errors of writing are swallowed",
        "das3d_aug/files/whole.py",
        '            raise FileError(path, f"cannot be written: {error.strerror}") from error\n        raise\n',
        "            return\n        raise\n",
    ),
    16: Break(
        "the optimiser starts anew",
        "das3d_ref/training/loop.py",
        '            self._restore_optimizer(groups["optimizer"])\n',
        "",
    ),
    17: Break(
        "nobody locks",
        "das3d_aug/runs/output_folder.py",
        "fcntl.flock(lock, how)",
        "lock.fileno()",
    ),
    18: Break(
        "every mask is kept",
        "das3d_aug/synthesis/pair.py",
        "    out = _copies(image, depth, plan)\n",
        '    out = _copies(image, depth, plan)\n    globals().setdefault("_kept", []).append(out.mask.copy())\n',
    ),
    19: Break(
        "importing silences NumPy's errors",
        "das3d_aug/randomness.py",
        "_MASK = 0xFFFFFFFFFFFFFFFF\n",
        '_MASK = 0xFFFFFFFFFFFFFFFF\n__import__("numpy").seterr(all="ignore")\n',
    ),
    20: Break(
        "all threads share one variable",
        "das3d_aug/synthesis/pair.py",
        "    plan = recipe.draw(shape, seed=seed, index=index, epoch=epoch)\n",
        "    global _plan\n    _plan = recipe.draw(shape, seed=seed, index=index, epoch=epoch)\n"
        '    __import__("time").sleep(1e-4)\n    plan = _plan\n',
    ),
    21: Break(
        "damage of the cache comes through",
        "das3d_aug/_jit.py",
        "        except Exception:\n            return None\n",
        "        except Exception:\n            raise\n",
    ),
    22: Break(
        "das3d_aug imports torch",
        "das3d_aug/randomness.py",
        "_MASK = 0xFFFFFFFFFFFFFFFF\n",
        '_MASK = 0xFFFFFFFFFFFFFFFF\n__import__("torch")\n',
    ),
    23: Break(
        "Ctrl-C is like any error",
        "cli/program.py",
        "if interrupts or isinstance(error, (KeyboardInterrupt, click.Abort)):",
        "if False:",
    ),
}
