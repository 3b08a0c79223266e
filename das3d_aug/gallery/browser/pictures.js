// The flat pictures: colour, surface, depth, change and mask, each after and before.

const RAMP = Uint8Array.from(data.ramp.match(/../g), (code) => parseInt(code, 16));
// Light is nearer and dark is farther, so that it reads without colours too.
const NEARER = [205, 232, 255];
const SAME = [128, 128, 128];
const FARTHER = [96, 0, 16];

const between = (a, b, share) => a.map((channel, at) => channel + share * (b[at] - channel));

function painted(width, height, colourAt) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let at = 0; at < width * height; at++) {
    const [r, g, b] = colourAt(at);
    image.data.set([r, g, b, 255], 4 * at);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function paintDepth({ sample, width, height }, steps) {
  const [near, far] = sample.scale;
  return painted(width, height, (at) => {
    if (!steps[at]) return SAME;
    const share = (depthOf(sample, steps[at]) - near) / ((far - near) || 1);
    const colour = 3 * Math.round(255 * Math.min(Math.max(share, 0), 1));
    return RAMP.subarray(colour, colour + 3);
  });
}

// The change of depth.
function paintChange(found) {
  const { sample, width, height, depth, depthBefore } = found;
  const change = Float32Array.from(depth, (step, at) =>
    depthOf(sample, step) - depthOf(sample, depthBefore[at]));
  found.nearer = found.farther = 0;
  for (const value of change) {
    if (value < 0) found.nearer = Math.max(found.nearer, -value);
    if (value > 0) found.farther = Math.max(found.farther, value);
  }
  const lost = (at) => !depth[at] !== !depthBefore[at];
  found.moved = found.nearer || found.farther || depth.some((step, at) => lost(at));
  const peak = Math.max(found.nearer, found.farther) || 1;
  return painted(width, height, (at) => {
    if (lost(at)) return (at + Math.floor(at / width)) % 2 ? [0, 0, 0] : [255, 255, 255];
    const share = (change[at] || 0) / peak;
    // Even a small change stands out from none.
    const strength = share ? 0.25 + 0.75 * Math.abs(share) : 0;
    return between(SAME, share < 0 ? NEARER : FARTHER, strength);
  });
}

const paintMask = ({ width, height, marks }) =>
  painted(width, height, (at) => (marks[at] ? [255, 255, 255] : [0, 0, 0]));

const MARGIN = 2; // pixels between a defect and its outline, which shall not hide it

// The borders of what is marked and a margin, along the edges of pixels.
function outlineOf({ width, height, marks }) {
  const around = new Uint8Array(width * height);
  marks.forEach((mark, at) => {
    if (!mark) return;
    const [x, y] = [at % width, Math.floor(at / width)];
    for (let v = Math.max(y - MARGIN, 0); v <= Math.min(y + MARGIN, height - 1); v++) {
      around.fill(1, v * width + Math.max(x - MARGIN, 0), v * width + Math.min(x + MARGIN, width - 1) + 1);
    }
  });
  const path = new Path2D();
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : around[y * width + x]);
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x <= width; x++) {
      const here = at(x, y);
      if (here !== at(x - 1, y)) { path.moveTo(x, y); path.lineTo(x, y + 1); }
      if (here !== at(x, y - 1)) { path.moveTo(x, y); path.lineTo(x + 1, y); }
    }
  }
  return path;
}

// The part of the picture that is shown: all, or around one defect.
function viewOf(sample, focus) {
  const [width, height] = sample.size;
  if (focus < 0) return { x: 0, y: 0, width, height };
  const [left, top, right, bottom] = sample.defects[focus].box;
  const share = Math.min(1, Math.max(36 / width, 36 / height, 2 * (right - left), 2 * (bottom - top)));
  const start = (middle) => Math.min(Math.max(middle - share / 2, 0), 1 - share);
  return {
    x: start((left + right) / 2) * width,
    y: start((top + bottom) / 2) * height,
    width: share * width,
    height: share * height,
  };
}

// state: {view, wipe, outline}; wipe is the share of the width, from the left, that shows before.
function drawFlat(canvas, found, after, before, state) {
  const { view } = state;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(canvas.width * view.height / view.width));
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = width < 3 * view.width;
  const put = (image) => context.drawImage(image, view.x, view.y, view.width, view.height, 0, 0, width, height);
  put(after);
  if (before && state.wipe > 0) {
    const edge = state.wipe * width;
    context.save();
    context.beginPath();
    context.rect(0, 0, edge, height);
    context.clip();
    put(before);
    context.restore();
    context.fillStyle = "#000";
    context.fillRect(edge - 1.5 * ratio, 0, 3 * ratio, height);
    context.fillStyle = "#fff";
    context.fillRect(edge - 0.5 * ratio, 0, ratio, height);
  }
  if (state.outline) drawOutline(context, found, view, width / view.width, ratio);
}

function drawOutline(context, found, view, scale, ratio) {
  const { sample } = found;
  found.outline ??= outlineOf(found);
  context.save();
  context.setTransform(scale, 0, 0, scale, -view.x * scale, -view.y * scale);
  context.lineCap = "square";
  for (const [colour, width] of [["#000", 2.6], ["#fff", 1.1]]) {
    context.strokeStyle = colour;
    context.lineWidth = width * ratio / scale;
    context.stroke(found.outline);
  }
  context.restore();
  if (sample.defects.length > 1) numberDefects(context, sample, view, ratio);
}

// A number beside each defect, not on it.
function numberDefects(context, sample, view, ratio) {
  const { width, height } = context.canvas;
  const [across, down] = [sample.size[0] / view.width * width, sample.size[1] / view.height * height];
  const [left, top] = [view.x / view.width * width, view.y / view.height * height];
  const size = 12 * ratio;
  context.font = `bold ${size}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  sample.defects.forEach(({ box }, number) => {
    const [first, , last, bottom] = box;
    const y = Math.min((bottom * down) - top + 1.1 * size, height - size);
    const x = Math.min(Math.max((first + last) / 2 * across - left, size), width - size);
    context.fillStyle = "#000";
    context.beginPath();
    context.arc(x, y, 0.75 * size, 0, 7);
    context.fill();
    context.fillStyle = "#fff";
    context.fillText(number + 1, x, y + ratio);
  });
}
