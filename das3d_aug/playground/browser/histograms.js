// Sizes and heights of what the recipe draws, beside those of labelled defects.
"use strict";

const BINS = 24;
// A row is a defect: pixels, mm², share of the part's range of depth, mm.
const CHARTS = [
  { title: "size", log: true, columns: [[1, "mm²"], [0, "px"]] },
  { title: "height", log: false, columns: [[3, "mm"], [2, "of the part's range"]], ends: ["← nearer (bump)", "farther (dent) →"] },
];

function shape(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const numbersOf = (rows, column) => rows.map((row) => row[column]).filter((value) => value !== null);
const quantile = (sorted, share) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)];

function summary(values) {
  if (!values.length) return "not known";
  const sorted = [...values].sort((a, b) => a - b);
  const [low, middle, high] = [0.1, 0.5, 0.9].map((share) => plain(quantile(sorted, share), 3));
  return `median ${middle}, 80 % in ${low} … ${high}`;
}

// From where to where the bins reach: of heights without the outermost, which lie in the first and last.
function reachOf(values, log) {
  const sorted = values.map((value) => (log ? Math.log10(value) : value)).sort((a, b) => a - b);
  if (log) return [Math.floor(sorted[0] * 4) / 4, Math.ceil(sorted.at(-1) * 4 + 0.01) / 4];
  const most = Math.max(Math.abs(quantile(sorted, 0.02)), Math.abs(quantile(sorted, 0.98))) || 1;
  return [-most, most];
}

function sharesIn(values, [low, high], log) {
  const counts = new Array(BINS).fill(0);
  for (const value of values) {
    const place = Math.floor(((log ? Math.log10(value) : value) - low) / (high - low) * BINS);
    counts[Math.min(Math.max(place, 0), BINS - 1)] += 1 / values.length;
  }
  return counts;
}

function ticksOf([low, high], log) {
  if (log) {
    const ticks = [];
    for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; power++) ticks.push([power, digits(10 ** power, 3)]);
    return ticks;
  }
  const step = [1, 2, 2.5, 5, 10].map((part) => part * 10 ** Math.floor(Math.log10(high / 2))).find((part) => part * 3 >= high);
  const ticks = [];
  for (let at = -3; at <= 3; at++) if (Math.abs(at * step) <= high) ticks.push([at * step, digits(at * step, 3)]);
  return ticks;
}

const [WIDE, TALL, LEFT, RIGHT, TOP, BOTTOM] = [420, 190, 38, 18, 10, 26]; // size and margins of a chart

function chartOf(lists, { log, title }, unit) {
  const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${TALL}`, role: "img" });
  svg.setAttribute("aria-label", `${title} in ${unit}: ${lists.map(({ name, values }) => `${name} ${summary(values)}`).join("; ")}`);
  const all = lists.flatMap(({ values }) => values).filter((value) => !log || value > 0);
  if (!all.length) {
    svg.append(shape("text", { x: WIDE / 2, y: TALL / 2, "text-anchor": "middle" }, "nothing measured yet"));
    return svg;
  }
  const reach = reachOf(all, log);
  const shares = lists.map(({ values }) => sharesIn(values, reach, log));
  const peak = Math.max(...shares.flat(), 0.01);
  const x = (place) => LEFT + (place - reach[0]) / (reach[1] - reach[0]) * (WIDE - LEFT - RIGHT);
  const y = (share) => TALL - BOTTOM - share / peak * (TALL - TOP - BOTTOM);
  const edge = (bin) => x(reach[0] + bin / BINS * (reach[1] - reach[0]));
  for (const [place, text] of ticksOf(reach, log)) {
    svg.append(shape("line", { class: "grid", x1: x(place), x2: x(place), y1: TOP, y2: TALL - BOTTOM }),
      shape("text", { x: x(place), y: TALL - 10, "text-anchor": "middle" }, text));
  }
  svg.append(shape("text", { x: LEFT - 5, y: TOP + 8, "text-anchor": "end" }, `${Math.round(100 * peak)} %`),
    shape("text", { x: LEFT - 5, y: TALL - BOTTOM, "text-anchor": "end" }, "0"));
  shares.forEach((list, at) => {
    const steps = list.map((share, bin) => `H${edge(bin).toFixed(1)}V${y(share).toFixed(1)}H${edge(bin + 1).toFixed(1)}`);
    svg.append(shape("path", { class: lists[at].kind, d: `M${edge(0)} ${y(0)}${steps.join("")}V${y(0)}` }));
  });
  svg.append(shape("line", { class: "axis", x1: LEFT, x2: WIDE - RIGHT, y1: y(0), y2: y(0) }));
  return svg;
}

// drawn: rows of the recipe; the unit of each chart stays as it was chosen.
const chosen = {};

function drawHistograms(drawn) {
  const figures = CHARTS.map((chart) => {
    const lists = [{ name: "recipe", kind: "drawn", rows: drawn }];
    if (data.beside) lists.push({ name: data.beside.name, kind: "labelled", rows: data.beside.rows });
    const known = chart.columns.filter(([column]) => lists.every(({ rows }) => !rows.length || numbersOf(rows, column).length));
    const all = known.length ? known : chart.columns.slice(-1);
    const [column, unit] = all.find(([, name]) => name === chosen[chart.title]) ?? all[0];
    for (const list of lists) list.values = numbersOf(list.rows, column);
    const select = make("select", { ariaLabel: `Unit of ${chart.title}` }, ...all.map(([, name]) => new Option(name)));
    select.value = unit;
    select.addEventListener("change", () => {
      chosen[chart.title] = select.value;
      drawHistograms(drawn);
    });
    const says = lists.map(({ name, kind, values }) => make("span", {}, make("i", { className: `swatch ${kind}` }), `${name}: ${summary(values)}`));
    const caption = make("figcaption", {}, make("b", { textContent: `${chart.title} of a defect` }), select);
    const ends = chart.ends ? [make("span", { className: "ends note" }, ...chart.ends.map((text) => make("span", { textContent: text })))] : [];
    return make("figure", {}, caption, chartOf(lists, chart, unit), ...ends, make("span", { className: "note says" }, ...says));
  });
  if (find("charts").contains(document.activeElement)) return; // a choice of a unit is open: the next one draws
  find("charts").replaceChildren(...figures);
}
