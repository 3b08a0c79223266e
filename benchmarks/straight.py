"""The synthesis (eqs 1–8) written straight in NumPy and SciPy: the twin for tests, the yardstick for speed.

Every step is the obvious array expression in float64; nothing is fused, skipped or approximated.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import signal, special

from das3d_aug import AnomalyPair, Plan
from das3d_aug.textures import as_source, colour_matrix, sharpness, tone_table

_MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def mix(z: np.ndarray) -> np.ndarray:
    """SplitMix64 of an array of uint64."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def perlin(shape: tuple[int, int], resolution: tuple[int, int], rotation: float, seed: int) -> np.ndarray:
    """Perlin noise on the rotated lattice, float64."""
    (height, width), (rows, columns) = shape, resolution
    y, x = np.mgrid[:height, :width].astype(float)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    angle = math.radians(rotation)
    u = rows / 2 + (math.cos(angle) * y - math.sin(angle) * x) * rows / height
    v = columns / 2 + (math.sin(angle) * y + math.cos(angle) * x) * columns / width
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    a, b = u - i, v - j
    row, column, across = i.min(), j.min(), np.ptp(j) + 2
    gradient_y, gradient_x = gradients(seed, row, column, np.ptp(i) + 2, across)
    k = (i - row) * across + j - column

    def corner(di: int, dj: int) -> np.ndarray:
        at = k + di * across + dj
        return gradient_y[at] * (a - di) + gradient_x[at] * (b - dj)

    def fade(t: np.ndarray) -> np.ndarray:
        return t * t * t * (t * (6 * t - 15) + 10)

    upper, lower, along = corner(0, 0), corner(1, 0), fade(b)
    upper = upper + along * (corner(0, 1) - upper)
    lower = lower + along * (corner(1, 1) - lower)
    return math.sqrt(2) * (upper + fade(a) * (lower - upper))


def gradients(seed: int, row: int, column: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit gradients of the lattice, flat."""
    with np.errstate(over="ignore"):
        row_keys = mix(np.uint64(seed) + (row + np.arange(rows)).astype(np.uint64))
        keys = mix(row_keys[:, None] + (column + np.arange(columns)).astype(np.uint64))
    direction = 2 * np.pi * (keys >> np.uint64(56)).astype(float).ravel() / 256
    return np.sin(direction), np.cos(direction)


def skew_kernel(alpha: tuple[float, float], covariance: np.ndarray, size: int) -> np.ndarray:
    """Eqs 3 and 4, normalised."""
    offsets = np.stack(np.mgrid[:size, :size], axis=-1) - size // 2
    quadratic = np.einsum("...i,ij,...j", offsets, np.linalg.inv(covariance), offsets)
    density = np.exp(-0.5 * quadratic) * special.ndtr(offsets @ np.asarray(alpha))
    return density / density.sum()


def foreground(depth: np.ndarray) -> np.ndarray:
    """Valid depth in front of the trimmed plane through the border: affine in 1/z, or in z if only that explains it."""
    height, width = depth.shape
    valid = np.isfinite(depth) & (depth > 0)
    border = max(1, min(height, width) // 16)
    step = max(1, int(math.sqrt(2 * border * (height + width) / 256)))
    frame = np.ones(depth.shape, bool)
    frame[border : height - border, border : width - border] = False
    on_grid = np.zeros(depth.shape, bool)
    on_grid[::step, ::step] = True
    ys, xs = np.nonzero(frame & on_grid & valid)
    if ys.size == 0:
        return valid
    with np.errstate(divide="ignore", invalid="ignore"):
        nearness = 1 / depth.astype(float)
    design = np.stack([ys, xs, np.ones(ys.size)], axis=1)
    kept = consensus(design, nearness[ys, xs])
    if kept.mean() <= 0.95 and consensus(design, -depth[ys, xs].astype(float)).mean() > 0.95:
        nearness = -depth.astype(float)
        kept = consensus(design, nearness[ys, xs])
    q = nearness[ys, xs]
    for _ in range(5):
        solution = np.array([0.0, 0.0, q[kept].mean()])
        centred = design[kept, :2] - design[kept, :2].mean(axis=0)
        (yy, yx), (_, xx) = centred.T @ centred
        if kept.sum() >= 16 and yy * xx - yx * yx > 1e-6 * yy * xx:
            solution = np.linalg.lstsq(design[kept], q[kept], rcond=None)[0]
        residual = q - design @ solution
        deviation = math.sqrt(np.mean(residual[kept] ** 2))
        count = kept.sum()
        kept = np.abs(residual) <= 2.5 * deviation + 1e-7 * abs(solution[2])
        if kept.sum() < 16 or kept.sum() == count:
            break
    y, x = np.mgrid[:height, :width]
    plane = solution[0] * y + solution[1] * x + solution[2]
    middle = solution @ [(height - 1) / 2, (width - 1) / 2, 1]
    margin = max(5 * deviation, 1e-5 * abs(middle))
    if depth.dtype == np.uint16:
        margin = max(margin, 1.01 * (middle**2 if nearness[valid].min() > 0 else 1))
    with np.errstate(invalid="ignore"):
        return valid & (nearness > plane + margin)


def consensus(design: np.ndarray, q: np.ndarray) -> np.ndarray:
    """RANSAC over 48 fixed triples: the samples within 0.3 % of the best plane."""
    best = np.ones(q.size, bool)
    most = 0
    for trial in range(48):
        triple = (3 * trial + np.arange(3)) * 7919 % q.size
        if abs(np.linalg.det(design[triple])) < 1:
            continue
        near = np.abs(q - design @ np.linalg.solve(design[triple], q[triple])) <= 0.003 * np.abs(q)
        if near.sum() > most:
            most, best = near.sum(), near
            if most > 0.95 * q.size:
                break
    return best


def area_threshold(noise: np.ndarray, inside: np.ndarray, area: float) -> float:
    """The threshold on |noise| that leaves about that share of the foreground, on a 1024-bin histogram."""
    step = max(1, math.isqrt(noise.size // 2**12))
    values = np.abs(noise[::step, ::step][inside[::step, ::step]]).astype(np.float32)
    counts = np.bincount(np.minimum((values * 1024).astype(int), 1023), minlength=1024)
    above = np.cumsum(counts[::-1])[::-1]
    over = np.nonzero(above > area * values.size)[0]
    if over.size == 0:
        return 0.0
    k = over[-1]
    return (k if above[k] == counts[k] else k + 1) / 1024


def render(
    rgb: np.ndarray, depth: np.ndarray, plan: Plan, *, texture: object = None, given: np.ndarray | None = None
) -> AnomalyPair:
    """Eqs 1–8 and 12 for a distance depth, step by step."""
    valid = np.isfinite(depth) & (depth > 0)
    inside = foreground(depth) if given is None else given & valid
    new_rgb, new_depth = rgb.copy(), depth.copy()
    delta, refined = np.zeros(depth.shape, np.float32), np.zeros(depth.shape, bool)
    if plan.anomalous and not (plan.drop_rgb and plan.drop_depth):
        unit = float(np.ptp(depth[inside].astype(float))) if plan.magnitude_unit == "range" else 1.0
        noise = perlin(plan.shape, plan.resolution, plan.rotation, plan.noise_seed)
        t_p = plan.threshold if plan.area is None else area_threshold(noise, inside, plan.area)
        ternary = inside * ((noise > t_p).astype(float) - (noise < -t_p))
        if plan.skew:
            row, both, column = plan.covariance
            size = 2 * max(1, math.ceil(3 * math.sqrt(max(row, column)))) + 1
            kernel = skew_kernel(plan.alpha, np.array([[row, both], [both, column]]), size)
            ternary = signal.fftconvolve(np.pad(ternary, size // 2), kernel, mode="valid")
        change = ternary * np.where(ternary > 0, plan.dent, plan.bump) * unit
        refined = np.abs(change) >= plan.mask_threshold * unit
        if not plan.drop_depth:
            moved = depth.astype(float) + change
            if depth.dtype == np.uint16:
                moved = np.clip(np.rint(moved), 1, 65535)
            else:
                moved = np.maximum(moved, np.finfo(depth.dtype).tiny)
            new_depth = np.where(refined & valid, moved, depth).astype(depth.dtype)
            with np.errstate(invalid="ignore"):
                delta = np.where(refined & valid, new_depth.astype(float) - depth, 0).astype(np.float32)
        if not plan.drop_rgb:
            new_rgb = _paint(rgb, refined, plan, texture)
    rgb_changed = (new_rgb != rgb).any(axis=-1)
    with np.errstate(invalid="ignore"):
        depth_changed = valid & (new_depth != depth)
    return AnomalyPair(
        rgb=new_rgb,
        depth=new_depth,
        mask=rgb_changed | depth_changed,
        delta=delta,
        rgb_changed=rgb_changed,
        depth_changed=depth_changed,
        plan=plan,
    )


def _paint(rgb: np.ndarray, mask: np.ndarray, plan: Plan, texture: object) -> np.ndarray:
    """Eq. 8 over the whole image, with the varied texture."""
    _, image = as_source(texture).pick(plan.texture.pick)
    choice = plan.texture
    angle = math.radians(choice.rotation)
    along, across = choice.scale * math.cos(angle), choice.scale * math.sin(angle)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    v = np.floor(choice.row * image.shape[0] + along * y - across * x).astype(int)
    u = np.floor(choice.column * image.shape[1] + across * y + along * x).astype(int)

    def mirrored(k: np.ndarray, size: int) -> np.ndarray:
        k = k % (2 * size)
        return np.where(k < size, k, 2 * size - 1 - k)

    toned = np.stack([tone_table(image, choice)[image[..., c], c] for c in range(3)], axis=-1).astype(float)

    def sample(dv: int, du: int) -> np.ndarray:
        return toned[mirrored(v + dv, image.shape[0]), mirrored(u + du, image.shape[1])]

    foreign = sample(0, 0)
    if sharpness(choice):
        around = (sample(-1, 0) + sample(1, 0) + sample(0, -1) + sample(0, 1)) / 4
        foreign = foreign + float(sharpness(choice)) * (foreign - around)
    full = 255 if rgb.dtype == np.uint8 else 1
    foreign = full * np.clip(foreign @ colour_matrix(choice).astype(float).T, 0, 1)
    share = mask[..., None].astype(float)
    blended = (1 - share) * rgb + share * ((1 - plan.beta) * foreign + plan.beta * rgb)
    return (np.floor(blended + 0.5) if full == 255 else blended).astype(rgb.dtype)
