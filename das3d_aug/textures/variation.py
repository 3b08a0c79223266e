"""How a defect's texture is varied: a plan of plain numbers, and what it does to colours.

The photometric operations are not run on pixels.  Those that act on one channel value become one table
(`tone_table`), hue and saturation one matrix (`colour_matrix`), and sharpness one number, so that the blend
applies them only where a defect is, in this order.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from das3d_aug._arguments import as_float, assembled, frozen
from das3d_aug._jit import kernel
from das3d_aug.errors import ParameterError, quoted
from das3d_aug.randomness import Stream

__all__ = ["TexturePlan", "colour_matrix", "draw_texture", "sharpness", "tone_table"]

Operation: TypeAlias = tuple[str, *tuple[float, ...]]

# Ranges of each operation's numbers (prior: DRAEM, whose imgaug units are of 255).  Its affine rotation is
# `TexturePlan.rotation`; its contrast stretch cuts no tails here.
_OPERATIONS: dict[str, tuple[tuple[float, float], ...]] = {
    "gamma": ((0.5, 2.0), (0.5, 2.0), (0.5, 2.0)),  # exponent of red, green, blue
    "brightness": ((0.8, 1.2), (-30 / 255, 30 / 255)),  # factor, offset
    "sharpness": ((-1.0, 1.0),),  # weight of the difference from the neighbours' mean
    "hue_saturation": ((-360 * 50 / 255, 360 * 50 / 255), (1 - 50 / 255, 1 + 50 / 255)),  # degrees, factor
    "solarize": ((32.0, 128.0),),  # 8-bit values from here on are inverted
    "posterize": ((1.0, 8.0),),  # bits, whole
    "invert": (),
    "autocontrast": (),
    "equalize": (),
}


@dataclass(frozen=True, kw_only=True)
class TexturePlan:
    """Which texture a defect takes and what is done to it, in plain numbers.

    Attributes
    ----------
    pick : int
        64 random bits for `TextureSource.pick`.
    name : str or None
        The texture that was picked; None until then.
    row, column : float
        Offset into the texture as a fraction of its height and width, in [0, 1).
    rotation : float
        Degrees.
    scale : float
        Texture pixels per image pixel.
    operations : tuple of (name, number …)
        Photometric operations in the order in which they act.
    """

    pick: int
    name: str | None = None
    row: float = 0.0
    column: float = 0.0
    rotation: float = 0.0
    scale: float = 1.0
    operations: tuple[Operation, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, strings and lists, ready for JSON."""
        return {**asdict(self), "operations": [list(operation) for operation in self.operations]}

    @classmethod
    def from_dict(cls, plan: dict[str, Any]) -> TexturePlan:
        """Rebuild a plan from `to_dict`.

        Raises
        ------
        ParameterError
            If a key is missing or unknown, or a value cannot be applied.
        """
        keys = {field.name for field in fields(cls)}
        if not isinstance(plan, dict) or plan.keys() != keys:
            raise ParameterError(f"texture plan must have the keys {sorted(keys)}, got {quoted(plan)}")
        pick, name = plan["pick"], plan["name"]
        if not isinstance(pick, int) or not 0 <= pick < 2**64:
            raise ParameterError(f"pick must be an integer of 64 bits, got {quoted(pick)}")
        if not (name is None or isinstance(name, str)):
            raise ParameterError(f"name must be a string or None, got {quoted(name)}")
        row, column, rotation = (_finite(key, plan[key]) for key in ("row", "column", "rotation"))
        scale = _finite("scale", plan["scale"])
        if scale <= 0.0:
            raise ParameterError(f"scale must be > 0, got {scale!r}")
        if not isinstance(plan["operations"], list | tuple):
            raise ParameterError(f"operations must be a list, got {quoted(plan['operations'])}")
        operations = tuple(_as_operation(operation) for operation in plan["operations"])
        return cls(
            pick=pick,
            name=name,
            row=row,
            column=column,
            rotation=rotation,
            scale=scale,
            operations=operations,
        )


def draw_texture(stream: Stream, *, operations: int = 3) -> TexturePlan:
    """Draw which texture a defect takes, how it lies, and distinct operations (3 of the list; prior: DRAEM).

    Offsets are U(0, 1), the rotation U(-180, 180) degrees, the scale log-uniform in 0.5 … 2 (ours).

    Raises
    ------
    ParameterError
        If there are not that many operations.
    """
    if not 0 <= operations <= len(_OPERATIONS):
        raise ParameterError(f"operations must be 0 … {len(_OPERATIONS)}, got {operations!r}")
    pick, row, column = stream.bits(), stream.uniform(), stream.uniform()
    rotation, scale = stream.uniform(-180.0, 180.0), stream.log_uniform(0.5, 2.0)
    left = list(_OPERATIONS)
    names = [left.pop(stream.integer(0, len(left) - 1)) for _ in range(operations)]
    drawn = tuple([_draw_operation(stream, name) for name in names])
    return assembled(
        TexturePlan,
        {
            "pick": pick,
            "name": None,
            "row": row,
            "column": column,
            "rotation": rotation,
            "scale": scale,
            "operations": drawn,
        },
    )


def tone_table(texture: NDArray[np.uint8], plan: TexturePlan) -> NDArray[np.float32]:
    """Compose the plan's operations on single channel values, in their order, into one table.

    Parameters
    ----------
    texture : uint8, H x W x 3
        Asked only for its histogram, and only by autocontrast and equalize.
    plan : TexturePlan
        Hue, saturation and sharpness are left to `colour_matrix` and `sharpness`, which follow the table.

    Returns
    -------
    float32, shape (256, 3)
        The new value in [0, 1] of each 8-bit value of each channel: a multiple of 1/65535.
    """
    pixels = texture.reshape(-1, 3)
    step = max(1, len(pixels) // _HISTOGRAM_PIXELS)
    while math.gcd(step, texture.shape[1]) > 1:
        step += 1
    table = np.zeros((len(plan.operations), 4))
    for k, (name, *values) in enumerate(plan.operations):
        table[k, : 1 + len(values)] = _CODES[name], *values
    return _compose(table, frozen(pixels), step)


def colour_matrix(plan: TexturePlan) -> NDArray[np.float32]:
    """Return hue rotation and saturation as a 3 x 3 map of RGB columns: a turn and stretch of YIQ's I and Q.

    Positive degrees turn red towards yellow, as in HSV.  Grey stays as it is; other results may leave [0, 1].
    The identity if the plan has neither.
    """
    for name, *values in plan.operations:
        if name == "hue_saturation":
            angle = math.radians(values[0])
            i, q = values[1] * math.cos(angle), -values[1] * math.sin(angle)
            exact = _LUMA + i * _KEEP + q * _TURN
            return np.asarray(np.rint(exact * 65536.0) / 65536.0, np.float32)
    return _SAME.copy()


def sharpness(plan: TexturePlan) -> np.float32:
    """Return s of ``t + s (t - mean of t's 4 neighbours)``: -1 blurs, 1 sharpens, 0 if the plan has none."""
    return np.float32(next((values[0] for name, *values in plan.operations if name == "sharpness"), 0.0))


# Tables hold 16-bit levels as whole float64 numbers: equal tones compare equal, and a last-bit difference
# between two machines' powers is rounded away.
_TOP = 65535.0
_CODES = {name: code for code, name in enumerate(_OPERATIONS)}
_GAMMA, _BRIGHTNESS, _, _, _SOLARIZE, _POSTERIZE, _INVERT, _AUTOCONTRAST, _EQUALIZE = _CODES.values()
# That many pixels, spread over all columns, place a tone's rank to about 1 %, and cost a tenth of a full count.
_HISTOGRAM_PIXELS = 2048

_SAME = np.eye(3, dtype=np.float32)
_YIQ = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_LUMA, _KEEP, _TURN = (
    np.linalg.inv(_YIQ) @ np.array(part, float) @ _YIQ
    for part in (
        [[1, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
    )
)


@kernel
def _compose(operations, pixels, step):
    """Run the tone operations, each a code and three numbers, on a table per channel; float32, shape (256, 3)."""
    table = np.empty((3, 256))
    counts = np.zeros((3, 256), np.int64)
    counted = False
    for c in range(3):
        for k in range(256):
            table[c, k] = k * 257.0
    for n in range(operations.shape[0]):
        code, values = int(operations[n, 0]), operations[n, 1:]
        if code in (_AUTOCONTRAST, _EQUALIZE) and not counted:
            for k in range(0, pixels.shape[0], step):
                for c in range(3):
                    counts[c, pixels[k, c]] += 1
            counted = True
        for c in range(3):
            if code == _AUTOCONTRAST:
                _autocontrast(table[c], counts[c])
            elif code == _EQUALIZE:
                _equalize(table[c], counts[c])
            else:
                _point_operation(table[c], code, values[0] if code != _GAMMA else values[c], values[1])
    out = np.empty((256, 3), np.float32)
    for k in range(256):
        for c in range(3):
            out[k, c] = table[c, k] / _TOP
    return out


@kernel
def _point_operation(tones, code, first, second):
    for k in range(tones.size):
        t = tones[k]
        if code == _GAMMA:
            tones[k] = np.rint(_TOP * (t / _TOP) ** first)
        elif code == _BRIGHTNESS:
            tones[k] = np.rint(min(max(t * first + _TOP * second, 0.0), _TOP))
        elif code == _SOLARIZE and t >= 257.0 * first:
            tones[k] = _TOP - t
        elif code == _POSTERIZE:
            steps = 2.0**first
            tones[k] = np.rint(np.floor(t * (steps / 65536.0)) * (_TOP / (steps - 1.0)))
        elif code == _INVERT:
            tones[k] = _TOP - t


@kernel
def _autocontrast(tones, counts):
    low, high = _TOP, 0.0
    for k in range(tones.size):
        if counts[k] > 0:
            low, high = min(low, tones[k]), max(high, tones[k])
    if high > low:
        for k in range(tones.size):
            tones[k] = np.rint(min(max((tones[k] - low) * (_TOP / (high - low)), 0.0), _TOP))


@kernel
def _equalize(tones, counts):
    """Send each tone to the share of pixels up to it, the darkest one's to 0."""
    order = _ascending(tones)
    before = tones.copy()
    darkest, total = -1, 0
    for k in range(order.size):
        total += counts[order[k]]
        if darkest < 0 and total > 0 and (k + 1 == order.size or before[order[k + 1]] > before[order[k]]):
            darkest = total
    if total <= darkest:
        return
    up_to, start = 0, 0
    for k in range(order.size):
        up_to += counts[order[k]]
        if k + 1 == order.size or before[order[k + 1]] > before[order[k]]:
            for same in range(start, k + 1):
                tones[order[same]] = np.rint(max(up_to - darkest, 0) * (_TOP / (total - darkest)))
            start = k + 1


@kernel
def _ascending(tones):
    """Return the places of the tones from dark to light, by Shell's sort with the gaps of Ciura.

    `numpy.argsort` is slower on what mostly ascends or descends already, and takes longer to compile.
    """
    order = np.arange(tones.size)
    for gap in (57, 23, 10, 4, 1):
        for k in range(gap, order.size):
            place, n = order[k], k
            while n >= gap and tones[order[n - gap]] > tones[place]:
                order[n] = order[n - gap]
                n -= gap
            order[n] = place
    return order


def _draw_operation(stream: Stream, name: str) -> Operation:
    if name == "posterize":
        return name, float(stream.integer(1, 8))
    if name == "solarize" and stream.chance(0.5):
        return name, 256.0  # above every value: changes nothing, as half of the time in DRAEM
    return name, *[stream.uniform(low, high) for low, high in _OPERATIONS[name]]


def _as_operation(operation: Any) -> Operation:
    names = list(_OPERATIONS)  # a list: what was given need not be hashable
    if not isinstance(operation, list | tuple) or not operation or operation[0] not in names:
        raise ParameterError(f"operation must be one of {', '.join(names)} and its numbers, got {quoted(operation)}")
    name, values = operation[0], tuple(_finite(operation[0], value) for value in operation[1:])
    expected = len(_OPERATIONS[name])
    if len(values) != expected:
        raise ParameterError(f"{name} takes {expected} numbers, got {quoted(operation)}")
    if name == "gamma" and min(values) <= 0.0:
        raise ParameterError(f"gamma must be > 0, got {quoted(operation)}")
    if name == "posterize" and values[0] not in range(1, 9):
        raise ParameterError(f"posterize must be 1 … 8 bits, got {quoted(operation)}")
    return name, *values


def _finite(name: str, value: Any) -> float:
    if isinstance(value, int | float) and math.isfinite(number := as_float(name, value)):
        return number
    raise ParameterError(f"{name} must be a finite number, got {quoted(value)}")
