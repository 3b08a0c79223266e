// All samples: cards, filters, and the way from one to the next.

const list = find("cards");
const WORDS = { colour: "colour only", depth: "depth only", both: "colour and depth", nothing: "nothing" };

// Thirds of the samples, so that each choice leaves some.
const sorted = data.samples.map((sample) => sample.pixels).sort((a, b) => a - b);
const thirds = [1, 2].map((part) => sorted[Math.ceil(part * sorted.length / 3) - 1]);
const extentOf = (pixels) => (pixels <= thirds[0] ? "small" : pixels <= thirds[1] ? "middle" : "large");

function tile(sample, number, name) {
  const [width, height] = sample.size;
  const image = make("img", { src: data.pictures[number], alt: `${name} of ${sample.key}`, width, height, loading: "lazy" });
  const out = make("span", { className: "tile" }, image);
  const around = 5 / Math.max(width, height); // so that a ring does not hide what it shows
  for (const { box: [left, top, right, bottom] } of sample.defects) {
    const ring = make("span", { className: "ring" });
    const inset = (share) => `${100 * Math.max(share - around, 0)}%`;
    Object.assign(ring.style, { left: inset(left), top: inset(top), right: inset(1 - right), bottom: inset(1 - bottom) });
    out.append(ring);
  }
  return out;
}

function cardOf(sample) {
  const tiles = make("span", { className: "tiles" });
  for (const name of ["colour", "surface"]) {
    if (sample[name] !== undefined) tiles.append(tile(sample, sample[name], name));
  }
  const told = make("span", { className: "told" }, make("b", { textContent: kindsOf(sample) }),
    make("span", { textContent: sample.facts[0][1] }));
  if (sample.changed) told.append(make("span", { textContent: WORDS[sample.changed] }));
  told.append(make("span", { className: "key", textContent: sample.key }));
  const button = make("button", { type: "button", className: "card" }, tiles, told);
  button.addEventListener("click", () => show(sample));
  return { sample, button, item: make("li", {}, button) };
}

const cards = data.samples.map(cardOf);
const shown = () => cards.filter((card) => !card.item.hidden);

function choices(id, all, values) {
  const known = values.filter(([value]) => cards.some(({ sample }) => FILTERS[id](sample, value)));
  find(id).append(new Option(all, ""), ...known.map(([value, text]) => new Option(text, value)));
  find(id).parentElement.hidden = known.length < 2;
}

const FILTERS = {
  kind: (sample, value) => sample.kinds.includes(value),
  changed: (sample, value) => sample.changed === value,
  extent: (sample, value) => extentOf(sample.pixels) === value,
};
const ORDERS = {
  listed: () => 0,
  large: (a, b) => b.sample.pixels - a.sample.pixels,
  small: (a, b) => a.sample.pixels - b.sample.pixels,
  kind: (a, b) => kindsOf(a.sample).localeCompare(kindsOf(b.sample)),
};

function arrange() {
  cards.sort((a, b) => data.samples.indexOf(a.sample) - data.samples.indexOf(b.sample));
  cards.sort(ORDERS[find("order").value]);
  for (const card of cards) {
    card.item.hidden = Object.keys(FILTERS).some((id) => find(id).value && !FILTERS[id](card.sample, find(id).value));
  }
  list.replaceChildren(...cards.map((card) => card.item));
  find("none").hidden = shown().length > 0;
  find("count").value = `${shown().length} of ${cards.length} samples`;
}

step = (by) => {
  const visible = shown();
  const here = visible.findIndex((card) => card.sample === found.sample);
  const next = visible[(here + by + visible.length) % visible.length];
  next.button.focus();
  show(next.sample);
};

// Arrows go from card to card, up and down by what lies above and below.
list.addEventListener("keydown", (event) => {
  const visible = shown().map((card) => card.button);
  const here = visible.indexOf(document.activeElement);
  const across = visible.filter((button) => button.offsetTop === visible[0].offsetTop).length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
  if (here < 0 || !by) return;
  event.preventDefault();
  visible[here + by]?.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !find("help").open) find("help").showModal();
});
for (const button of document.querySelectorAll(".help")) {
  button.addEventListener("click", () => find("help").showModal());
}

const kinds = [...new Set(data.samples.flatMap((sample) => sample.kinds))].sort();
choices("kind", "all", kinds.map((kind) => [kind, kind]));
choices("changed", "all", Object.entries(WORDS));
choices("extent", "all", [
  ["small", `small, up to ${thirds[0]} px`],
  ["middle", `middle, up to ${thirds[1]} px`],
  ["large", `large, above ${thirds[1]} px`],
]);
find("filters").addEventListener("change", arrange);
arrange();
