// The recipe, the sample that it draws, and what is known of many.
"use strict";

state.still = true;
const key = new URLSearchParams(location.search).get("key");
const controlsByName = new Map();
let values = {}; // all fields of the recipe, as they stand in the controls
let base = {}; // as they stood when it was loaded
let asking = false;
let again = false;
let rows = []; // of the recipe's defects
let run = 0; // counts the measurements, so that only the last goes on

async function ask(question, content) {
  let response;
  try {
    response = await fetch(`/${question}`, {
      method: "POST", headers: { "Content-Type": "application/json", "X-Key": key }, body: JSON.stringify(content),
    });
  } catch {
    return { error: "the playground does not answer: it was ended in the terminal", field: null };
  }
  try {
    return await response.json();
  } catch {
    return { error: await response.text().catch(() => response.statusText) || response.statusText, field: null };
  }
}

const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

// The sample of the recipe; one question at a time, and after it the last that was wished meanwhile.
async function redraw() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  do {
    again = false;
    await drawOnce();
  } while (again);
  asking = false;
}

async function drawOnce() {
  const from = performance.now();
  const question = { recipe: values, seed: typed(find("seed").value), part: Number(find("part").value), whole: find("whole").checked };
  const reply = await ask("draw", question);
  fail(reply);
  find("views").classList.toggle("stale", Boolean(reply.error));
  if (reply.error) return;
  place(await opened(reply.sample, reply.pictures));
  draw();
  const nothing = reply.sample.defects.length ? "" : "This seed changes nothing that counts. ";
  find("notes").textContent = reply.notes.join(" ");
  const kept = reply.kept && `In a data set of this recipe this sample keeps its ${reply.kept}. `;
  find("status").textContent = nothing + kept;
  document.body.dataset.took = Math.round(performance.now() - from); // milliseconds
  document.body.dataset.drawn = Number(document.body.dataset.drawn ?? 0) + 1;
  find("replay").hidden = !reply.sample.command;
  find("command").textContent = reply.sample.command;
  find("copy").textContent = "copy";
}

// What is wrong stands beside the control that it is about.
function fail({ error = "", field = null }) {
  for (const [name, control] of controlsByName) control.fail(name === field ? error : "");
  if (field) controlsByName.get(field).element.closest("details").open = true;
  find("error").textContent = field ? `${error} – the pictures are those of before` : error;
  find("error").hidden = !error;
}

// What is known of many samples, drawn while nothing else is.
async function measure() {
  const mine = ++run;
  const wanted = Number(find("count").value);
  const content = { recipe: values, seed: typed(find("seed").value), start: 0 };
  rows = [];
  let samples = 0;
  await new Promise((resolve) => setTimeout(resolve, 300));
  while (mine === run && content.start < wanted) {
    if (asking) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    const reply = await ask("figures", { ...content, most: wanted - content.start });
    if (mine !== run || reply.error) return; // the picture says what is wrong
    content.start = reply.next;
    samples += reply.samples;
    rows.push(...reply.rows);
    find("progress").value = Math.min(content.start / wanted, 1);
    const { beside } = data;
    const labelled = beside && `; labelled in ${beside.name}: ${counted(beside.rows.length, "defect")} on ${counted(beside.samples, "sample")}`;
    find("legend").textContent = `Recipe: ${counted(rows.length, "defect")} on ${counted(samples, "sample")}${labelled ?? ""}. Measured from masks; the outermost 2 % of heights lie in the end bins.`;
    drawHistograms(rows);
  }
}

function changed() {
  for (const [name, control] of controlsByName) control.mark(JSON.stringify(values[name]) !== JSON.stringify(base[name]));
  for (const control of data.controls) controlsByName.get(control.name).unit(unitOf(control));
  find("saved").textContent = "";
  redraw();
  measure();
}

function unitOf({ unit = "", group, name }) {
  const relative = unit.startsWith("of the part's");
  if (relative && values.length_unit === "mm" && group === data.controls.find((one) => one.name === "length_unit").group) return "mm";
  if (relative && values.magnitude_unit === "depth" && name.includes("m")) return name === "height" || name === "size" ? unit : "in the depth's unit";
  return unit;
}

function take(recipe) {
  base = structuredClone(recipe);
  values = structuredClone(recipe);
  for (const [name, control] of controlsByName) control.set(values[name]);
  changed();
}

function build() {
  const groups = new Map();
  for (const control of data.controls) {
    const made = controlOf(control, (value) => {
      values = { ...values, [control.name]: value };
      changed();
    });
    made.reset.addEventListener("click", () => {
      values = { ...values, [control.name]: structuredClone(base[control.name]) };
      made.set(values[control.name]);
      changed();
    });
    controlsByName.set(control.name, made);
    if (!groups.has(control.group)) {
      groups.set(control.group, make("details", { open: groups.size < 3 }, make("summary", { textContent: control.group })));
    }
    groups.get(control.group).append(made.element);
  }
  find("controls").append(...groups.values());
}

const anotherSeed = (by) => {
  find("seed").value = Math.max(0, (Number(find("seed").value) || 0) + by);
  redraw();
};

async function save() {
  const reply = await ask("save", { recipe: values });
  fail(reply);
  if (reply.error) return;
  if (reply.written) {
    find("saved").textContent = `Written: ${reply.written}`;
    return;
  }
  const url = URL.createObjectURL(new Blob([reply.toml], { type: "application/toml" }));
  make("a", { href: url, download: "recipe.toml" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
  find("saved").textContent = "Downloaded: recipe.toml";
}

async function load() {
  const [file] = find("load").files;
  if (!file) return;
  const reply = await ask("read", { toml: await file.text() });
  find("load").value = "";
  if (reply.error) {
    fail(reply);
    return;
  }
  presets.set(file.name, reply);
  listPresets(file.name);
  take(reply);
}

const presets = new Map([["as given", data.recipe], ...Object.entries(data.presets)]);

function listPresets(name) {
  find("preset").replaceChildren(...[...presets.keys()].map((one) => new Option(one)));
  find("preset").value = name;
}

const KEYS = { ...KEYS_OF_VIEWS, n: () => anotherSeed(1), p: () => anotherSeed(-1), s: save, "?": () => find("help").showModal() };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("help").open) return;
  if (event.target === relief.canvas && keyOfRelief(event.key)) {
    event.preventDefault();
  } else if (KEYS[event.key] && !event.target.matches("input:not([type=range]):not([type=checkbox]), select")) {
    event.preventDefault();
    KEYS[event.key]();
  }
});
find("controls").addEventListener("submit", (event) => event.preventDefault());
find("previous").addEventListener("click", () => anotherSeed(-1));
find("another").addEventListener("click", () => anotherSeed(1));
find("seed").addEventListener("input", redraw);
find("part").addEventListener("change", redraw);
find("whole").addEventListener("change", redraw);
find("count").addEventListener("change", measure);
find("preset").addEventListener("change", () => take(presets.get(find("preset").value)));
find("load").addEventListener("change", load);
find("save").addEventListener("click", save);
find("keys").addEventListener("click", KEYS["?"]);

find("part").append(...data.parts.map((name, at) => new Option(name, at)));
find("seed").value = data.seed;
if (data.out) find("save").textContent = `save to ${data.out}`;
listPresets(JSON.stringify(data.recipe) === JSON.stringify(data.presets.realistic) ? "realistic" : "as given");
build();
take(data.recipe);
