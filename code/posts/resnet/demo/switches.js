// The demo in the page: ResNet-20 on a picture, with a switch on every shortcut.
// Nothing is loaded before the button is pressed, and nothing leaves the page. The arithmetic is in layers.js.

import { load } from "./files.js";
import { blocksOf, centred, classify, difference, softmax } from "./layers.js";

const FILES = ["network.safetensors", "examples.safetensors"];
const CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const COLUMNS = 6;
const TOLD = 3; // classes that the answer lists

const element = (tag, properties = {}, ...children) => {
  const { aria = {}, ...own } = properties;
  const made = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
};

/** Bytes (side, side, 3) onto a canvas. */
function paint(canvas, bytes) {
  const side = Math.round(Math.sqrt(bytes.length / 3)), context = canvas.getContext("2d");
  canvas.width = canvas.height = side;
  const pixels = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) pixels.data.set([...bytes.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  context.putImageData(pixels, 0, 0);
}

/** The mean over the channels of what leaves a block, as ink of the page's own colour, the brightest fully opaque. */
function paintMap(canvas, { channels, side, data }) {
  const mean = new Float32Array(side * side), context = canvas.getContext("2d");
  data.forEach((value, i) => { mean[i % mean.length] += value / channels; });
  const largest = Math.max(...mean) || 1;
  canvas.width = canvas.height = side;
  const pixels = context.createImageData(side, side);
  mean.forEach((value, i) => { pixels.data[4 * i + 3] = (255 * value) / largest; });
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

const percent = (value) => `${(100 * value).toFixed(value < 0.995 && value >= 0.0995 ? 0 : 1)} %`;

/** Pictures as buttons, one of which is chosen; the arrow keys move between them. */
class Gallery {
  constructor(pictures, changed) {
    this.pictures = pictures;
    this.chosen = 0;
    this.buttons = pictures.map(({ bytes, label }, n) => {
      const canvas = element("canvas"), button = element("button", { type: "button" }, canvas);
      paint(canvas, bytes);
      button.setAttribute("aria-label", `Picture ${n + 1}, labelled ${label}`);
      button.addEventListener("click", () => { this.chosen = n; this.mark(); changed(this.pictures[n]); });
      return button;
    });
    this.node = element("div", { className: "digits", role: "group", aria: { label: "Test images: choose one" } },
      ...this.buttons);
    this.node.addEventListener("keydown", (event) => this.move(event));
    this.mark();
  }

  move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }[event.key];
    const next = this.buttons[this.buttons.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  /** `null` for a picture of the reader's own. */
  mark() {
    this.buttons.forEach((button, n) => button.setAttribute("aria-pressed", n === this.chosen));
  }
}

/** A switch for each shortcut, in the three groups of blocks, and two buttons for all of them. */
class Switches {
  constructor(count, changed) {
    this.inputs = Array.from({ length: count }, (_, n) => {
      const input = element("input", { type: "checkbox", checked: true, aria: { label: `Shortcut ${n + 1}` } });
      input.addEventListener("change", changed);
      return input;
    });
    const each = count / 3;
    const groups = [0, 1, 2].map((group) => element("fieldset", { className: "choice" },
      element("legend", { textContent: ["first blocks", "middle blocks", "last blocks"][group] }),
      ...this.inputs.slice(group * each, (group + 1) * each).map((input, n) =>
        element("label", {}, input, element("span", { textContent: group * each + n + 1 })))));
    const all = (textContent, checked) => {
      const button = element("button", { type: "button", textContent });
      button.addEventListener("click", () => {
        this.inputs.forEach((input) => { input.checked = checked; });
        changed();
      });
      return button;
    };
    this.node = element("div", { className: "choices" }, ...groups,
      element("div", { className: "tries" }, all("All off", false), all("All on", true)));
  }

  get on() { return this.inputs.map(({ checked }) => checked); }

  get told() {
    const off = this.on.flatMap((carries, n) => (carries ? [] : [n + 1]));
    if (!off.length) return "All shortcuts on";
    if (off.length === this.inputs.length) return "All shortcuts off";
    return `Shortcut${off.length > 1 ? "s" : ""} ${off.join(", ")} off`;
  }
}

/** The picture, the likeliest classes with bars, and the answer in words. */
class Answer {
  constructor() {
    this.canvas = element("canvas", { role: "img" });
    this.list = element("div");
    this.said = element("p", { role: "status" });
    this.node = element("div", { className: "chosen" }, this.canvas, this.list, this.said);
  }

  show({ bytes, label }, probabilities, told) {
    const order = probabilities.map((_, k) => k).sort((a, b) => probabilities[b] - probabilities[a]).slice(0, TOLD);
    paint(this.canvas, bytes);
    this.canvas.setAttribute("aria-label", label ? `The picture, labelled ${label}` : "Your picture");
    this.list.replaceChildren(...order.flatMap((k) => [
      element("span", { className: "probability", textContent: `${CLASSES[k]} ${percent(probabilities[k])}` }),
      element("meter", { min: 0, max: 1, value: probabilities[k], aria: { hidden: true } })]));
    const truth = label ? (label === CLASSES[order[0]] ? ", as labelled" : `, but it is labelled ${label}`) : "";
    this.said.textContent = `${told}: ${CLASSES[order[0]]}, ${percent(probabilities[order[0]])}${truth}.`;
  }
}

/** A picture of the reader's own: its middle square, shrunk to the side that the network sees, as bytes. */
async function ownPicture(file, side) {
  const bitmap = await createImageBitmap(file), square = Math.min(bitmap.width, bitmap.height);
  const [left, top] = [(bitmap.width - square) / 2, (bitmap.height - square) / 2];
  const context = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, square, square, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  return { bytes: Uint8Array.from({ length: 3 * side * side }, (_, i) => data[4 * Math.floor(i / 3) + (i % 3)]) };
}

/** Which files were loaded, by digest, and how far the arithmetic here is from PyTorch's. */
function artefacts(files, apart) {
  const code = (textContent, title = "") => element("code", { textContent, title });
  const agree = `Computed here and by PyTorch, the logits of the first picture differ by ${apart.toExponential(0)} ` +
    "at most, relative to the largest; with all shortcuts, without the second, and without any.";
  if (!files.every(({ digest }) => digest)) {
    return element("p", { className: "artefacts" },
      `Not compared with the ledger: browsers compute digests on secure connections only. ${agree}`);
  }
  return element("details", { className: "artefacts" },
    element("summary", {}, "network ", code(files[0].digest.slice(0, 12), files[0].digest), ": matches the ledger"),
    element("ul", {}, ...files.map(({ name, digest }) => element("li", {}, `${name} `, code(digest, "SHA-256")))),
    element("p", { textContent: `SHA-256 of the files that this page loaded, as recorded. ${agree}` }));
}

function start(stage, told, files) {
  const [network, examples] = files.map(({ tensors }) => tensors);
  const { images, labels, mean } = examples, side = images.shape[1], size = 3 * side * side;
  const pictures = Array.from(labels.data, (label, n) => (
    { bytes: images.data.subarray(n * size, (n + 1) * size), label: CLASSES[label] }));
  const switches = new Switches(blocksOf(network), () => redraw());
  const answer = new Answer();
  const strip = element("div", { className: "strip", aria: { hidden: true } },
    ...switches.inputs.map(() => element("canvas")));
  let shown = pictures[0];
  const draw = () => {
    const { logits, maps } = classify(network, centred(shown.bytes, mean.data), switches.on);
    answer.show(shown, softmax(logits), switches.told);
    [...strip.children].forEach((canvas, n) => paintMap(canvas, maps[n]));
  };
  const redraw = eachFrame(draw);
  const gallery = new Gallery(pictures, (picture) => { shown = picture; redraw(); });
  const use = async (file) => {
    try {
      shown = await ownPicture(file, side);
      told.textContent = "";
      gallery.chosen = null;
      gallery.mark();
      redraw();
    } catch {
      told.textContent = `${file.name} is no picture that this browser can read.`;
    }
  };
  const input = element("input", { type: "file", accept: "image/*", hidden: true });
  input.addEventListener("change", () => { if (input.files[0]) use(input.files[0]); });
  const ask = element("button", { type: "button", textContent: "Use a picture of your own, or drop one here" });
  ask.addEventListener("click", () => input.click());
  stage.addEventListener("dragover", (event) => event.preventDefault());
  stage.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) use(event.dataTransfer.files[0]);
  });
  const own = element("div", { className: "tries" }, ask, input);
  const note = element("p", { className: "hint", textContent: "Under the switches: what leaves each block, the mean over " +
    `its channels. A picture of your own is cut to its middle square, shrunk to ${side} × ${side} pixels, and stays in ` +
    "this page; whatever it shows, the answer is one of the ten classes." });
  stage.replaceChildren(gallery.node, own, switches.node, strip, note, answer.node, told,
    artefacts(files, difference(network, examples, 1)));
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  gallery.buttons[0].focus({ preventScroll: true });
}

for (const figure of document.querySelectorAll('[data-demo="switches"]')) {
  const [stage, button, told] = [".stage", ".start", ".told"].map((name) => figure.querySelector(name));
  const digests = JSON.parse(figure.dataset.digests), asked = button.textContent;
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    button.textContent = "Loading…";
    try {
      start(stage, told, await Promise.all(FILES.map((name) => load(name, digests))));
    } catch (error) {
      told.textContent = `The demo does not run: ${error.message}.`;
      button.textContent = asked;
      busy = false;
    }
  });
}
