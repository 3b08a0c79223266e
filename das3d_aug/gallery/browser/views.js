// The pictures of one sample: all of them before or after, zoomed and outlined together, and the surface that turns.

const state = { wipe: 0, focus: -1, outline: true, height: 1, paint: "colour", still: false };
// focus: the defect that is zoomed to, -1 for the whole picture; still: whether pictures without a defect stay in place
let found = null; // what is open
let visible = () => true; // whether there is something to draw on
let flats = []; // {canvas, after, before}
const relief = { canvas: make("canvas", { className: "relief", tabIndex: 0 }) };
relief.canvas.setAttribute("role", "img");
relief.view = new Relief(relief.canvas);

// Takes a sample that was opened in the place of the one before.
function place(opening) {
  found = opening;
  const { sample } = found;
  find("defects").replaceChildren(...sample.defects.map(defectLine));
  find("defects").classList.toggle("single", sample.defects.length < 2);
  find("facts").replaceChildren(...sample.facts.map(([name, value]) =>
    make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }))));
  find("readout").textContent = "";
  find("wiping").hidden = Boolean(sample.why);
  find("zoom").disabled = find("outline").disabled = !sample.defects.length;
  state.focus = Math.min(state.focus, 0, sample.defects.length - 1); // of another sample, the first
  lay();
}

const kindsOf = (sample) => sample.kinds.join(", ") || (sample.defects.length ? "anomalous" : "no defect marked");

function defectLine({ kind, told, does }) {
  const line = make("li", {}, make("b", { textContent: kind || "defect" }), `: ${[does, told].filter(Boolean).join("; ")}`);
  const about = data.about[kind];
  if (about && found.sample.command) line.append(make("span", { className: "about", textContent: ` – ${about}` }));
  return line;
}

// The pictures of what is open.
function lay() {
  const { sample } = found;
  const figures = [];
  flats = [];
  const add = (name, after, before, ...more) => {
    const canvas = make("canvas", { className: before ? "flat wipes" : "flat" });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name} of ${sample.key}: ${kindsOf(sample)}, ${sample.facts[0][1]}`);
    canvas.dataset.name = name;
    flats.push({ canvas, after, before });
    figures.push(make("figure", {}, make("figcaption", {}, make("b", { textContent: name }), ...more), canvas));
    listen(canvas, Boolean(before));
  };
  if (found.colour) add("colour", found.colour, found.colourBefore);
  if (found.surface) add("surface", found.surface, found.surfaceBefore, "lit from the upper left");
  if (found.depth) {
    found.inColours = paintDepth(found, found.depth);
    found.inColoursBefore = found.depthBefore && paintDepth(found, found.depthBefore);
    const ends = sample.scale.map((end) => plain(stored(sample, end), 4));
    const [first, last] = sample.zero === null ? ["near", "far"] : ["high", "low"];
    const colours = Array.from({ length: 9 }, (_, at) => `rgb(${RAMP.subarray(96 * at - 3 * (at > 7)).slice(0, 3)})`);
    add("depth", found.inColours, found.inColoursBefore,
      scaleOf(`${first} ${ends[0]}`, colours, `${last} ${ends[1]} ${sample.unit}`));
  }
  const change = found.depthBefore && paintChange(found);
  if (change && (found.moved || state.still)) {
    add("change", change, null, scaleOf(`${lengthOf(sample, found.nearer)} nearer`,
      [NEARER, SAME, FARTHER].map((colour) => `rgb(${colour})`), `${lengthOf(sample, found.farther)} farther`));
  }
  if (sample.defects.length || state.still) add("mask", paintMask(found), null);
  if (found.depth) figures.push(reliefFigure());
  find("views").replaceChildren(...figures);
}

const scaleOf = (low, colours, high) => {
  const ramp = make("span", { className: "ramp" });
  ramp.style.background = `linear-gradient(to right, ${colours})`;
  return make("span", { className: "scale" }, low, ramp, high);
};

function reliefFigure() {
  const { sample } = found;
  if (!relief.view.gl) {
    return make("figure", {}, make("figcaption", {}, make("b", { textContent: "3-D" }),
      "needs WebGL 2, which this browser does not give"));
  }
  const paint = make("select", { id: "paint", ariaLabel: "What the 3-D view is painted with" },
    ...paints().map((name) => make("option", { value: name, textContent: name })));
  if (!paints().includes(state.paint)) state.paint = paints()[0];
  paint.value = state.paint;
  paint.addEventListener("change", () => { state.paint = paint.value; repaint(); });
  const height = make("input", {
    type: "range", min: 0.5, max: 8, step: 0.5, value: state.height, ariaLabel: "How far heights are stretched",
  });
  const said = make("span");
  const say = () => { said.textContent = `height × ${state.height}${sample.pixel ? "" : ", not to scale"}`; };
  height.addEventListener("input", () => { state.height = Number(height.value); say(); draw(); });
  say();
  relief.canvas.style.aspectRatio = `${found.width} / ${found.height}`;
  relief.canvas.setAttribute("aria-label",
    `3-D view of ${sample.key}: drag or use the arrow keys to turn it, plus and minus to come nearer`);
  relief.view.load(found);
  repaint();
  return make("figure", {}, make("figcaption", {}, make("b", { textContent: "3-D" }), paint,
    make("label", {}, height, said)), relief.canvas);
}

const paints = () => ["colour", "surface", "depth"].filter((name) => found[name]);

function repaint() {
  const after = { colour: found.colour, surface: found.surface, depth: found.inColours }[state.paint];
  const before = { colour: found.colourBefore, surface: found.surfaceBefore, depth: found.inColoursBefore };
  relief.view.paint(after, before[state.paint], state.paint === "surface" ? 0 : 0.7);
  draw();
}

function draw() {
  if (!found || !visible()) return;
  const view = viewOf(found.sample, state.focus);
  const wipe = found.sample.why ? 0 : state.wipe;
  for (const { canvas, after, before } of flats) {
    drawFlat(canvas, found, after, before, { view, wipe, outline: state.outline });
  }
  if (found.depth) relief.view.draw({ view, wipe, height: state.height });
  find("wipe").value = state.wipe;
  const count = found.sample.defects.length;
  find("zoom").textContent = state.focus >= 0 && count > 1 ? `zoom ${state.focus + 1} of ${count}` : "zoom";
  find("zoom").setAttribute("aria-pressed", state.focus >= 0);
  find("outline").setAttribute("aria-pressed", state.outline);
}

function change(values) {
  Object.assign(state, values);
  draw();
}

// Dragging over a picture wipes all of them; pointing reads the depth.
function listen(canvas, wipes) {
  const wipe = (event) => {
    const box = canvas.getBoundingClientRect();
    change({ wipe: Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) });
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!wipes) return;
    canvas.setPointerCapture(event.pointerId);
    wipe(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (wipes && canvas.hasPointerCapture(event.pointerId)) wipe(event);
    read(event, canvas);
  });
}

function read(event, canvas) {
  const { sample, width, height, depth, depthBefore, marks } = found;
  const view = viewOf(sample, state.focus);
  const box = canvas.getBoundingClientRect();
  const x = Math.floor(view.x + (event.clientX - box.left) / box.width * view.width);
  const y = Math.floor(view.y + (event.clientY - box.top) / box.height * view.height);
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const at = y * width + x;
  const said = (steps) => (steps[at] ? `${plain(stored(sample, depthOf(sample, steps[at])), 5)} ${sample.unit}` : "not measured");
  const told = [`column ${x}, row ${y}`];
  if (depth) told.push(`depth ${said(depth)}`);
  if (depthBefore && marks[at]) told.push(`before ${said(depthBefore)}`);
  if (marks[at]) told.push(sample.defects[marks[at] - 1]?.kind || "marked");
  find("readout").textContent = told.join(", ");
}

// Turning the surface.
const touches = new Map();
relief.canvas.addEventListener("pointerdown", (event) => {
  relief.canvas.setPointerCapture(event.pointerId);
  touches.set(event.pointerId, event);
});
relief.canvas.addEventListener("pointermove", (event) => {
  const last = touches.get(event.pointerId);
  if (!last) return;
  const apart = () => {
    const [a, b] = [...touches.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
  };
  if (touches.size === 2) {
    const before = apart();
    touches.set(event.pointerId, event);
    relief.view.scale(apart() / before);
  } else {
    touches.set(event.pointerId, event);
    relief.view.turn((event.clientX - last.clientX) / 120, (last.clientY - event.clientY) / 120);
  }
  draw();
});
for (const name of ["pointerup", "pointercancel"]) {
  relief.canvas.addEventListener(name, (event) => touches.delete(event.pointerId));
}
relief.canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  relief.view.scale(Math.exp(-event.deltaY / 500));
  draw();
}, { passive: false });

const TURNS = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };

function keyOfRelief(key) {
  if (TURNS[key]) relief.view.turn(...TURNS[key]);
  else if (key === "+" || key === "=") relief.view.scale(1.2);
  else if (key === "-") relief.view.scale(1 / 1.2);
  else return false;
  draw();
  return true;
}

async function copy() {
  const text = find("command").textContent;
  if (!text) return;
  try {
    await navigator.clipboard.writeText(text);
    find("copy").textContent = "copied";
  } catch {
    getSelection().selectAllChildren(find("command")); // the browser forbids it; Ctrl+C is left
    find("copy").textContent = "selected: press Ctrl+C";
  }
}

function nextPaint() {
  if (!find("paint")) return;
  state.paint = paints()[(paints().indexOf(state.paint) + 1) % paints().length];
  find("paint").value = state.paint;
  repaint();
}

// Keys that mean the same wherever a sample is shown.
const KEYS_OF_VIEWS = {
  b: () => change({ wipe: state.wipe < 0.5 ? 1 : 0 }),
  z: () => change({ focus: state.focus + 1 < found.sample.defects.length ? state.focus + 1 : -1 }),
  o: () => change({ outline: !state.outline }),
  r: () => { relief.view.reset(); draw(); },
  t: nextPaint,
  c: copy,
};

for (const [id, key] of [["zoom", "z"], ["outline", "o"], ["copy", "c"]]) find(id).addEventListener("click", KEYS_OF_VIEWS[key]);
find("wipe").addEventListener("input", (event) => change({ wipe: Number(event.target.value) }));
window.addEventListener("resize", draw);
