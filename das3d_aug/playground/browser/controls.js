// A control for each field of a recipe, as the class of recipes describes it; what is typed is sent as it is.
"use strict";

const digits = (value, count) => (typeof value === "number" ? String(Number(value.toPrecision(count))) : String(value ?? ""));
const typed = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text));

const SCALES = {
  linear: [(value) => value, (place) => place],
  log: [Math.log, Math.exp],
  octaves: [Math.log2, (place) => 2 ** place],
};

// A slider beside a field for any number: {element, inputs, set(value)}; told(value, slid) is called by either.
function numberOf({ ends, usual: [low, high], scale, whole }, label, told) {
  const [to, from] = SCALES[scale];
  const [first, last] = [to(low), to(high)];
  const step = scale === "octaves" || (whole && scale === "linear") ? 1 : (last - first) / 200;
  const slider = make("input", { type: "range", min: first, max: last, step, ariaLabel: label });
  const title = `${ends.join(" … ")}${whole ? ", whole" : ""}`;
  const field = make("input", { type: "number", step: "any", title, ariaLabel: `${label}, number` });
  const place = (value) => {
    if (typeof value === "number" && (scale === "linear" || value > 0)) slider.value = to(value);
  };
  slider.addEventListener("input", () => {
    const value = from(Number(slider.value));
    const shown = whole ? Math.round(value) : Number(value.toPrecision(3));
    field.value = shown;
    told(shown, true);
  });
  field.addEventListener("input", () => {
    const value = typed(field.value);
    place(value);
    told(value, false);
  });
  return {
    element: make("span", { className: "number" }, slider, field),
    inputs: [slider, field],
    set(value) {
      field.value = digits(value, 6);
      place(value);
    },
  };
}

// Two numbers, of which the one that is slid takes the other along.
function rangeOf(control, label, told) {
  let value = [];
  const ends = ["low", "high"].map((name, at) => numberOf(control, `${label}, ${name}`, (number, slid) => {
    value = value.map((other, end) => (end === at ? number
      : slid && (at ? other > number : other < number) ? number : other));
    ends[1 - at].set(value[1 - at]);
    told(value);
  }));
  const lines = ends.map(({ element }, at) => make("span", { className: "end" }, ["from", "to"][at], element));
  return {
    element: make("span", { className: "range" }, ...lines),
    inputs: ends.flatMap(({ inputs }) => inputs),
    set(next) {
      value = next;
      ends.forEach((end, at) => end.set(next[at]));
    },
  };
}

// A range, a few values to choose from, or a normal distribution.
function spanOf(control, label, told) {
  const form = make("select", { ariaLabel: `${label}, how it is drawn` },
    ...["range", "choice", "normal"].map((name) => new Option(name)));
  const range = rangeOf(control, label, told);
  const few = make("input", { type: "text", ariaLabel: `${label}, values joined by commas` });
  const fields = ["mean", "deviation", "from", "to"].map((name) =>
    make("input", { type: "number", step: "any", ariaLabel: `${label}, ${name}` }));
  const normal = make("span", { className: "normal" }, ...fields.map((field, at) =>
    make("label", {}, ["mean", "± deviation", "from", "to"][at], field)));
  const parts = { range: range.element, choice: few, normal };
  const show = (name) => {
    form.value = name;
    for (const [key, element] of Object.entries(parts)) element.hidden = key !== name;
  };
  const ofChoice = () => ({ choice: few.value.split(",").map((text) => typed(text.trim())) });
  const ofNormal = () => {
    const [mean, deviation, low, high] = fields.map((field) => typed(field.value));
    return { normal: [mean, deviation], within: [low, high] };
  };
  few.addEventListener("input", () => told(ofChoice()));
  for (const field of fields) field.addEventListener("input", () => told(ofNormal()));
  let ends = control.start;
  form.addEventListener("change", () => {
    show(form.value);
    const [low, high] = ends;
    if (form.value === "choice") few.value = [...new Set([low, high])].join(", ");
    if (form.value === "normal") {
      const numbers = [(low + high) / 2, (high - low) / 4 || 1, low, high];
      fields.forEach((field, at) => { field.value = digits(numbers[at], 4); });
    }
    told(form.value === "choice" ? ofChoice() : form.value === "normal" ? ofNormal() : ends);
    range.set(ends);
  });
  return {
    element: make("span", { className: "span" }, form, range.element, few, normal),
    inputs: [form, few, ...fields, ...range.inputs],
    set(value) {
      if (Array.isArray(value)) {
        show("range");
        range.set(ends = value);
      } else if (value.choice) {
        show("choice");
        few.value = value.choice.join(", ");
        ends = [Math.min(...value.choice), Math.max(...value.choice)];
      } else {
        show("normal");
        [...value.normal, ...value.within].forEach((number, at) => { fields[at].value = digits(number, 6); });
        ends = value.within;
      }
    },
  };
}

// Weights by name, each with its share; names that are not given weigh nothing.
function weightsOf(control, label, told) {
  let value = {};
  const rows = control.options.map((name) => {
    const share = make("output", { className: "share" });
    const number = numberOf(control, `${label}: ${name}`, (weight) => {
      value = { ...value, [name]: weight };
      say();
      told(value);
    });
    const about = data.about[name];
    const called = make("span", { className: "name", title: about ?? "" }, name);
    const line = make("span", { className: "weight" }, called, number.element, share);
    return { name, share, number, line };
  });
  const say = () => {
    const total = Object.values(value).reduce((sum, weight) => sum + (Number(weight) || 0), 0);
    for (const { name, share, line } of rows) {
      share.value = total ? `${Math.round(100 * (Number(value[name]) || 0) / total)} %` : "";
      line.classList.toggle("idle", !value[name]);
    }
  };
  return {
    element: make("span", { className: "weights" }, ...rows.map(({ line }) => line)),
    inputs: rows.flatMap(({ number }) => number.inputs),
    set(next) {
      value = { ...next };
      for (const { name, number } of rows) number.set(value[name] ?? 0);
      say();
    },
  };
}

function flagOf(control, label, told) {
  const box = make("input", { type: "checkbox", ariaLabel: label });
  box.addEventListener("change", () => told(box.checked));
  return { element: make("label", { className: "flag" }, box, "yes"), inputs: [box], set(value) { box.checked = value; } };
}

function choiceOf(control, label, told) {
  const select = make("select", { ariaLabel: label }, ...control.options.map((name) => new Option(name)));
  select.addEventListener("change", () => told(select.value));
  return { element: select, inputs: [select], set(value) { select.value = value; } };
}

const FORMS = { flag: flagOf, choice: choiceOf, number: numberOf, range: rangeOf, span: spanOf, weights: weightsOf };

// One field with its name, its unit, what it is, and what is wrong with it: {element, set, fail, mark}.
function controlOf(control, told) {
  const { name, optional, form, start } = control;
  let value = null;
  let last = start; // what stood here before it was none
  const inner = FORMS[form](control, name, (next) => { value = next; told(next); });
  const error = make("span", { className: "error", id: `error-${name}`, hidden: true });
  const about = make("span", { className: "about", id: `about-${name}`, textContent: control.about, hidden: true });
  const unit = make("span", { className: "unit" });
  const reset = make("button", { type: "button", className: "small", textContent: "↺", title: `${name} as it was at the start`,
    ariaLabel: `${name} as it was at the start`, hidden: true });
  const ask = make("button", { type: "button", className: "small", textContent: "?", title: control.about,
    ariaLabel: `What ${name} is`, ariaExpanded: "false" });
  ask.addEventListener("click", () => {
    about.hidden = !about.hidden;
    ask.ariaExpanded = String(!about.hidden);
  });
  const none = make("input", { type: "checkbox", ariaLabel: `${name}: none` });
  const head = make("span", { className: "head" }, make("b", { textContent: name }), unit, reset, ask);
  if (optional) head.insertBefore(make("label", { className: "none" }, none, "none"), reset);
  const element = make("div", { className: `control of-${form}` }, head, inner.element, error, about);
  element.dataset.name = name;
  const set = (next) => {
    if (next === null) last = value ?? last;
    value = next;
    none.checked = next === null;
    inner.element.hidden = next === null;
    if (next !== null) inner.set(next);
  };
  none.addEventListener("change", () => {
    set(none.checked ? null : last);
    told(value);
  });
  for (const input of inner.inputs) input.setAttribute("aria-describedby", error.id);
  return {
    element,
    reset,
    set,
    unit(text) { unit.textContent = text; },
    fail(message) {
      error.textContent = message;
      error.hidden = !message;
      element.classList.toggle("wrong", Boolean(message));
      for (const input of inner.inputs) input.ariaInvalid = message ? "true" : null;
    },
    mark(changed) { reset.hidden = !changed; },
  };
}
