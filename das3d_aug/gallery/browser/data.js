// What the page holds, and how its numbers are unpacked.

const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

async function inflated(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Each number is the difference from the one on its left, the first of a row from the one above it.
async function unpacked(text, width) {
  const bytes = await inflated(text);
  const count = bytes.length / 2;
  const out = new Uint16Array(count);
  for (let at = 0; at < count; at++) {
    const from = at % width ? at - 1 : at - width;
    out[at] = (bytes[at] << 8) + bytes[count + at] + (from < 0 ? 0 : out[from]);
  }
  return out;
}

async function picture(url) {
  if (url === undefined) return null;
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

// A sample with its pictures and planes of numbers; what it has not is null.
async function opened(sample, pictures) {
  const [width, height] = sample.size;
  const marks = await inflated(sample.marks);
  const [colour, colourBefore, surface, surfaceBefore] = await Promise.all(
    [sample.colour, sample.colourBefore, sample.surface, sample.surfaceBefore].map((at) => picture(pictures[at])));
  let depth = null;
  let depthBefore = null;
  if (sample.depth) depth = await unpacked(sample.depth, width);
  if (sample.depthBefore !== undefined) {
    const there = marks.reduce((count, mark) => count + (mark > 0), 0);
    const inside = there ? await unpacked(sample.depthBefore, there) : [];
    let next = 0;
    depthBefore = depth.map((step, at) => (marks[at] ? inside[next++] : step));
  }
  return { sample, width, height, marks, colour, colourBefore, surface, surfaceBefore, depth, depthBefore };
}

// Steps of the page to numbers of the data's unit; NaN where nothing is measured.
function depthOf(sample, step) {
  const [low, high] = sample.range;
  return step ? low + (step - 1) / 65534 * (high - low) : NaN;
}

// The way back, between steps too.
function stepOf(sample, depth) {
  const [low, high] = sample.range;
  return 1 + (depth - low) / ((high - low) || 1) * 65534;
}

// As the source has it: heights are counted towards the camera.
const stored = (sample, depth) => (sample.zero === null ? depth : sample.zero - depth);

const METRIC = { m: 1000, cm: 10, mm: 1, um: 0.001 };

function lengthOf(sample, value) {
  const factor = METRIC[sample.unit];
  return factor ? `${plain(value * factor, 3)} mm` : `${plain(value, 3)} ${sample.unit}`;
}

const plain = (value, digits) => String(Number(value.toPrecision(digits)));
