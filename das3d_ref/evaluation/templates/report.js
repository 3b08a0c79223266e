"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);

// Curves and scores

const CONFIG = { displaylogo: false, responsive: true };

function plot(id, traces, x, y, more = {}) {
  const axis = (title, range) => ({ title: { text: title }, range, zeroline: false });
  const layout = {
    font: { family: "system-ui, sans-serif" },
    margin: { l: 55, r: 12, t: 8, b: 45 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    legend: { orientation: "h", y: 1.12 },
    xaxis: axis(...x),
    yaxis: axis(...y),
    ...more,
  };
  Plotly.newPlot(id, traces, layout, { ...CONFIG, displayModeBar: false });
}

function plotCurve(name, xRange, xTitle, yTitle) {
  if (!find(name)) return;
  const [x, y] = data.curves[name];
  const line = { x, y, mode: "lines", line: { color: "#2b7bba", width: 2 } };
  plot(name, [line], [xTitle, xRange], [yTitle, [0, 1.01]]);
}

function plotScores() {
  const all = [...data.scores.good, ...data.scores.anomalous];
  const start = Math.min(...all);
  const size = (Math.max(...all) - start) / 30 || 1;
  const bars = (name, color) => ({
    type: "histogram", name, x: data.scores[name], marker: { color }, opacity: 0.7,
    autobinx: false, xbins: { start, size, end: start + 31 * size },
  });
  const more = { barmode: "overlay" };
  if (data.threshold !== null) {
    const x = data.threshold;
    more.shapes = [{ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: "#888", dash: "dash" } }];
    more.annotations = [{ x, y: 1, yref: "paper", text: "threshold", showarrow: false, xanchor: "left" }];
  }
  plot("scores", [bars("good", "#2b7bba"), bars("anomalous", "#e6701d")], ["score"], ["images"], more);
}

plotScores();
plotCurve("ROC", [0, 1], "false-positive rate", "true-positive rate");
plotCurve("PRO", [0, 0.3], "false-positive rate", "per-region overlap");

// Gallery

const cards = [...document.querySelectorAll(".card")];
const text = (name) => (a, b) => a.dataset[name].localeCompare(b.dataset[name], "en", { numeric: true });
const number = (name) => (a, b) => a.dataset[name] - b.dataset[name];
const ORDERS = {
  margin: (a, b) => number("margin")(b, a),
  high: (a, b) => number("score")(b, a),
  low: number("score"),
  key: text("key"),
  defect: (a, b) => text("defect")(a, b) || text("key")(a, b),
};

function arrange() {
  cards.sort(ORDERS[find("order").value]);
  find("cards").append(...cards);
  const defect = find("defect").value;
  for (const card of cards) {
    card.hidden = (defect && card.dataset.defect !== defect) ||
      (find("wrong")?.checked && !card.classList.contains("wrong"));
  }
  find("count").value = `${shown().length} of ${cards.length} images`;
}

const shown = () => cards.filter((card) => !card.hidden);

document.querySelector(".controls").addEventListener("change", arrange);

const truths = document.querySelectorAll(".truth");
for (const truth of truths) {
  truth.addEventListener("change", () => {
    for (const other of truths) other.checked = truth.checked;
    document.body.classList.toggle("without-truth", !truth.checked);
  });
}

// Viewer

const viewer = find("viewer");
const RELIEF = 0.2; // height of the surface, of the longer side of the image
let current;

function show(card) {
  current = card;
  const copy = card.cloneNode(true);
  find("viewer-title").textContent = card.dataset.key;
  const told = [...copy.querySelectorAll(".told > :not(.key)")];
  told.at(-1).classList.toggle("wrong", card.classList.contains("wrong"));
  find("viewer-told").replaceChildren(...told);
  find("viewer-tiles").replaceChildren(...copy.querySelectorAll(".tile"));
  if (!viewer.open) viewer.showModal();
  viewer.scrollTop = 0;
  showSurface(data.surfaces[card.dataset.number]);
}

function showSurface(found) {
  Plotly.purge("surface");
  if (!found) {
    find("surface-note").textContent = Object.values(data.surfaces).some(Boolean)
      ? "The report holds no surface of this image; it holds those of the worst." : "";
    return;
  }
  const { width, height, low, high, unit } = found;
  const steps = new Uint16Array(bytes(found.depth).buffer);
  const shares = bytes(found.anomaly);
  const light = bytes(found.light);
  const [least, greatest] = data.range;
  const side = Math.max(width, height);
  const mesh = {
    type: "mesh3d", x: [], y: [], z: [], i: [], j: [], k: [], vertexcolor: [], text: [], hoverinfo: "text",
    lighting: { ambient: 1, diffuse: 0, specular: 0, fresnel: 0 }, // the light is that of the picture
  };
  // Pixels without depth have no point; a triangle needs three.
  const point = Array.from(steps, (step, at) => {
    if (!step) return null;
    const share = (step - 1) / 65534;
    const anomaly = least + shares[at] / 255 * (greatest - least);
    const colour = colourOf(shares[at] / 255).map((channel) => channel * Math.min(light[at] / 200, 1));
    mesh.x.push(at % width / side);
    mesh.y.push(-Math.floor(at / width) / side);
    mesh.z.push(-RELIEF * share);
    mesh.vertexcolor.push(`rgb(${colour})`);
    mesh.text.push(`depth ${(low + share * (high - low)).toPrecision(4)} ${unit}<br>anomaly ${anomaly.toPrecision(3)}`);
    return mesh.x.length - 1;
  });
  for (let at = 0; at < width * (height - 1); at++) {
    if (at % width === width - 1) continue;
    for (const corners of [[at, at + width, at + 1], [at + 1, at + width, at + width + 1]]) {
      const [i, j, k] = corners.map((corner) => point[corner]);
      if (i === null || j === null || k === null) continue;
      mesh.i.push(i);
      mesh.j.push(j);
      mesh.k.push(k);
    }
  }
  const hidden = { visible: false };
  const layout = {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    paper_bgcolor: "transparent",
    scene: {
      xaxis: hidden, yaxis: hidden, zaxis: hidden,
      aspectmode: "data",
      camera: { eye: { x: 0, y: -1.1, z: 1.5 }, center: { x: 0, y: -0.1, z: 0 } },
    },
  };
  Plotly.newPlot("surface", [mesh], layout, CONFIG);
  find("surface-note").textContent = "Drag to turn, scroll to zoom. The height is stretched; towards the camera is up.";
}

function colourOf(share) {
  const place = share * (data.colours.length - 1);
  const below = Math.min(Math.floor(place), data.colours.length - 2);
  const channels = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const [a, b] = [channels(data.colours[below]), channels(data.colours[below + 1])];
  return a.map((channel, at) => channel + (place - below) * (b[at] - channel));
}

const bytes = (code) => Uint8Array.from(atob(code), (character) => character.charCodeAt(0));

function step(by) {
  const visible = shown();
  show(visible[(visible.indexOf(current) + by + visible.length) % visible.length]);
}

find("cards").addEventListener("click", (event) => {
  if (event.target.closest(".open")) show(event.target.closest(".card"));
});
find("previous").addEventListener("click", () => step(-1));
find("next").addEventListener("click", () => step(1));
find("close").addEventListener("click", () => viewer.close());
viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
viewer.addEventListener("close", () => Plotly.purge("surface"));
