// The flat pictures: colour, surface, depth, change and mask, each after and before.

const RAMP = Uint8Array.from(data.ramp.match(/../g), (code) => parseInt(code, 16));
// Light is nearer and dark is farther, so that it reads without colours too.
const NEARER = [205, 232, 255];
const SAME = [128, 128, 128];
const FARTHER = [96, 0, 16];

// A colour as the four bytes of a pixel.
const packed = ([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0;
const between = (a, b, share) => a.map((channel, at) => Math.round(channel + share * (b[at] - channel)));
const GREY = packed(SAME);
const BLACK = packed([0, 0, 0]);
const WHITE = packed([255, 255, 255]);
const IN_STEPS = Uint32Array.from({ length: 256 }, (_, at) => packed(RAMP.subarray(3 * at, 3 * at + 3)));

function painted(width, height, colourAt) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < pixels.length; at++) pixels[at] = colourAt(at);
  context.putImageData(image, 0, 0);
  return canvas;
}

function paintDepth({ sample, width, height }, steps) {
  const [near, far] = sample.scale;
  const [first, last] = [near, far].map((end) => stepOf(sample, end));
  return painted(width, height, (at) => {
    if (!steps[at]) return GREY;
    const share = (steps[at] - first) / ((last - first) || 1);
    return IN_STEPS[Math.round(255 * Math.min(Math.max(share, 0), 1))];
  });
}

// The change of depth.
function paintChange(found) {
  const { sample, width, height, depth, depthBefore } = found;
  const unit = (sample.range[1] - sample.range[0]) / 65534; // of a step
  let [nearer, farther, lost] = [0, 0, false];
  for (let at = 0; at < depth.length; at++) {
    if (!depth[at] || !depthBefore[at]) {
      lost ||= !depth[at] !== !depthBefore[at];
    } else {
      nearer = Math.max(nearer, depthBefore[at] - depth[at]);
      farther = Math.max(farther, depth[at] - depthBefore[at]);
    }
  }
  Object.assign(found, { nearer: nearer * unit, farther: farther * unit, moved: nearer > 0 || farther > 0 || lost });
  const peak = Math.max(nearer, farther) || 1;
  return painted(width, height, (at) => {
    if (!depth[at] !== !depthBefore[at]) return (at + Math.floor(at / width)) % 2 ? BLACK : WHITE;
    const share = (depth[at] - depthBefore[at]) / peak;
    if (!share) return GREY;
    // Even a small change stands out from none.
    return packed(between(SAME, share < 0 ? NEARER : FARTHER, 0.25 + 0.75 * Math.abs(share)));
  });
}

const paintMask = ({ width, height, marks }) =>
  painted(width, height, (at) => (marks[at] ? WHITE : BLACK));

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
