// The demo in the page: a grid of digits, the way between two of them, and what the discriminator thinks.
// Nothing is loaded before the button is pressed, and nothing leaves the page. The arithmetic is in model.js.

import { difference, drawNoise, generate, judge, load, mix, rows, walk } from "./model.js";

const FILES = ["generator", "discriminator", "directions", "examples"];
const REACH = 3; // how far the sliders walk to either side, in standard deviations of the noise
const STEPS = 9; // pictures on the way between two digits
const COLUMNS = 6;

const element = (tag, properties = {}, ...children) => {
  const { aria = {}, ...own } = properties;
  const made = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
};

/** Ink of the page's own colour, as opaque as the image is bright: right in every colour scheme. */
function paint(canvas, image) {
  const side = Math.round(Math.sqrt(image.length)), context = canvas.getContext("2d");
  canvas.width = canvas.height = side;
  const pixels = context.createImageData(side, side);
  image.forEach((value, i) => { pixels.data[4 * i + 3] = 255 * value; });
  context.putImageData(pixels, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = getComputedStyle(canvas).color;
  context.fillRect(0, 0, side, side);
}

/** At most one call of a function a frame, however often it is asked for. */
function eachFrame(draw) {
  let due = 0;
  return () => { due ||= requestAnimationFrame(() => { due = 0; draw(); }); };
}

function slider(text, properties, changed) {
  const input = element("input", { type: "range", ...properties });
  input.addEventListener("input", changed);
  return { input, label: element("label", {}, element("span", { textContent: text }), input) };
}

/** What the discriminator thinks of one digit: a number and a bar. */
function opinion() {
  const number = element("span", { className: "probability" });
  const bar = element("meter", { min: 0, max: 1, aria: { hidden: true } });
  return { parts: [number, bar], show(value) { number.textContent = value.toFixed(2); bar.value = value; } };
}

/** Samples as buttons. Two can be chosen; a third takes the place of the one chosen first. */
class Grid {
  constructor(noises, changed) {
    this.noises = noises;
    this.chosen = [0, 1];
    this.cells = noises.map((_, n) => this.cell(n, changed));
    this.node = element("div", { className: "digits", role: "group", aria: { label: "Samples: choose two" } },
      ...this.cells.map(({ button }) => button));
    this.node.addEventListener("keydown", (event) => this.move(event));
  }

  cell(n, changed) {
    const canvas = element("canvas"), thought = opinion();
    const button = element("button", { type: "button" }, canvas, ...thought.parts);
    button.addEventListener("click", () => {
      const others = this.chosen.filter((other) => other !== n);
      this.chosen = others.length < this.chosen.length ? others : [...others, n].slice(-2);
      this.mark();
      changed();
    });
    return { canvas, thought, button };
  }

  /** Arrow keys move between samples as they lie in the grid. */
  move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }[event.key];
    const next = this.cells[this.cells.findIndex(({ button }) => button === document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.button.focus();
  }

  mark() {
    this.cells.forEach(({ button }, n) => button.setAttribute("aria-pressed", this.chosen.includes(n)));
  }

  draw(play) {
    this.noises.forEach((noise, n) => {
      const { canvas, thought, button } = this.cells[n], { image, probability } = play(noise);
      paint(canvas, image);
      thought.show(probability);
      button.setAttribute("aria-label", `Sample ${n + 1}, probability of real ${probability.toFixed(2)}`);
    });
    this.mark();
  }
}

/** One sample, or the way from one to another in noise: a large picture, steps, a slider, the opinion in words. */
class Way {
  constructor() {
    this.large = element("canvas", { role: "img" });
    this.thought = opinion();
    this.said = element("p", { role: "status" });
    this.strip = element("div", { className: "strip", aria: { hidden: true } },
      ...Array.from({ length: STEPS }, () => element("canvas")));
    this.at = slider("from one to the other", { min: 0, max: 1, step: 0.01, value: 0.5 }, eachFrame(() => this.step()));
    this.nodes = [
      element("div", { className: "chosen" }, this.large, ...this.thought.parts, this.said),
      element("div", { className: "way" }, this.strip, this.at.label),
    ];
  }

  draw(play, noises, chosen) {
    const [from, to] = chosen.map((n) => noises[n]);
    Object.assign(this, { play, from, to, names: chosen.map((n) => n + 1) });
    this.nodes.forEach((node, n) => { node.hidden = n ? !to : !from; });
    if (!from) return;
    if (to) [...this.strip.children].forEach((canvas, n) => paint(canvas, play(mix(from, to, n / (STEPS - 1))).image));
    this.step();
  }

  step() {
    const fraction = this.to ? Number(this.at.input.value) : 0, percent = `${Math.round(100 * fraction)} %`;
    const { image, probability } = this.play(this.to ? mix(this.from, this.to, fraction) : this.from);
    const where = this.to ? `${percent} of the way from sample ${this.names[0]} to sample ${this.names[1]}`
      : `Sample ${this.names[0]}`;
    paint(this.large, image);
    this.large.setAttribute("aria-label", where);
    this.thought.show(probability);
    this.at.input.setAttribute("aria-valuetext", percent);
    this.said.textContent = `${where}: the discriminator gives ${probability.toFixed(2)} for real.`;
  }
}

/** Which files were loaded, by digest, and how far the arithmetic here is from PyTorch's. */
function artefacts(files, apart) {
  const code = (textContent, title) => element("code", { textContent, title });
  const short = ({ name, digest }) => [`${name} `, code(digest.slice(0, 12), digest)];
  const agree = `Computed here and by PyTorch, the opening samples differ by ${apart.toPrecision(1)} at most.`;
  if (!files.every(({ digest }) => digest)) {
    return element("p", { className: "artefacts" },
      `Not compared with the ledger: browsers compute digests on secure connections only. ${agree}`);
  }
  const [generator, discriminator] = files;
  return element("details", { className: "artefacts" },
    element("summary", {}, ...short(generator), ", ", ...short(discriminator), ": matches the ledger"),
    element("ul", {}, ...files.map(({ name, digest }) => element("li", {}, `${name} `, code(digest, "SHA-256")))),
    element("p", { textContent: `SHA-256 of the files that this page loaded, as recorded. ${agree}` }));
}

function start(stage, files) {
  const { generator, discriminator, directions, examples } =
    Object.fromEntries(files.map(({ name, tensors }) => [name, tensors]));
  const steps = Object.fromEntries(Object.keys(directions).map((name) => [name, 0]));
  const play = (noise) => {
    const image = generate(generator, walk(noise, directions, steps));
    return { image, probability: judge(discriminator, image) };
  };
  const way = new Way();
  const drawWay = () => way.draw(play, grid.noises, grid.chosen);
  const grid = new Grid(rows(examples.noise), drawWay);
  const redraw = eachFrame(() => { grid.draw(play); drawWay(); });
  const walks = Object.keys(steps).map((name) => slider(name, { min: -REACH, max: REACH, step: 0.25, value: 0 },
    ({ target }) => { steps[name] = Number(target.value); redraw(); }));
  const button = (textContent, pressed) => {
    const made = element("button", { type: "button", textContent });
    made.addEventListener("click", () => { pressed(); redraw(); });
    return made;
  };
  const others = button("Draw others", () => { grid.noises = grid.noises.map(({ length }) => drawNoise(length)); });
  const reset = button("Reset", () => walks.forEach(({ input }) => {
    input.value = 0;
    input.dispatchEvent(new Event("input"));
  }));
  const controls = element("div", { className: "controls" }, ...walks.map(({ label }) => label), reset, others);
  const note = element("p", { className: "hint", textContent: "Under each digit: the probability of “real” that " +
    "the discriminator gives it. In training it saw dropout; here it does not. Choose two digits to see what lies " +
    "between." });
  stage.replaceChildren(grid.node, note, controls, ...way.nodes, artefacts(files, difference(
    { generator, discriminator, examples })));
  grid.draw(play);
  drawWay();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  grid.cells[0].button.focus({ preventScroll: true });
}

for (const figure of document.querySelectorAll('[data-demo="draw"]')) {
  const [stage, button, told] = [".stage", ".start", ".told"].map((name) => figure.querySelector(name));
  const digests = JSON.parse(figure.dataset.digests), asked = button.textContent;
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    button.textContent = "Loading…";
    try {
      start(stage, await Promise.all(FILES.map((name) => load(name, digests[`demo/${name}.safetensors`]))));
    } catch (error) {
      told.textContent = `The demo does not run: ${error.message}.`;
      button.textContent = asked;
      busy = false;
    }
  });
}
