// One sample large.

const viewer = find("viewer");
let asked = 0; // counts what was asked for, so that only the last is shown
let step = () => {}; // the grid says what is next
visible = () => viewer.open;

async function show(sample) {
  const mine = ++asked;
  const opening = await opened(sample, data.pictures);
  if (mine !== asked) return;
  place(opening);
  find("title").textContent = `${kindsOf(sample)} – ${sample.key}`;
  find("why").textContent = sample.why && `No before: ${sample.why}.`;
  find("replay").hidden = !sample.command;
  find("command").textContent = sample.command ?? "";
  find("copy").textContent = "copy";
  if (!viewer.open) viewer.showModal();
  draw();
}

const KEYS = {
  ...KEYS_OF_VIEWS,
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
};

viewer.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === relief.canvas && keyOfRelief(event.key)) {
    event.preventDefault();
  } else if (KEYS[event.key] && !(event.target.matches("input, select") && event.key.startsWith("Arrow"))) {
    event.preventDefault();
    KEYS[event.key]();
  }
});
for (const [id, by] of [["previous", -1], ["next", 1]]) find(id).addEventListener("click", () => step(by));
find("close").addEventListener("click", () => viewer.close());
