// Runs the post's own generator in the page: the safetensors file that its numbers came from, read as it is.
// Two rectified layers and a sigmoid, as in model.py. Nothing is loaded before it is asked for.

const ROOT3 = Math.sqrt(3);

/** Tensors of a safetensors file by name: {shape, data}. Reads BF16 and F32, which is all that the post keeps. */
export function parseSafetensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const bytes = buffer.slice(8 + length + start, 8 + length + end);
    if (dtype === "F32") tensors[name] = { shape, data: new Float32Array(bytes) };
    else if (dtype === "BF16") tensors[name] = { shape, data: widen(new Uint16Array(bytes)) };
    else throw new Error(`${name} is ${dtype}: expected BF16 or F32`);
  }
  return tensors;
}

/** bfloat16 is the upper half of float32. */
function widen(halves) {
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = halves[i] << 16;
  return new Float32Array(words.buffer);
}

/** weight (outputs, inputs) · x + bias. */
function linear(weight, bias, x) {
  const [outputs, inputs] = weight.shape;
  const y = new Float32Array(outputs);
  for (let o = 0, at = 0; o < outputs; o++) {
    let sum = bias.data[o];
    for (let i = 0; i < inputs; i++) sum += weight.data[at++] * x[i];
    y[o] = sum;
  }
  return y;
}

/** One image, values in (0, 1), from noise uniform on ±√3. */
export function generate(tensors, noise) {
  const layer = (name, x) => linear(tensors[`${name}.weight`], tensors[`${name}.bias`], x);
  const relu = (x) => x.map((value) => Math.max(value, 0));
  return layer("output", relu(layer("second", relu(layer("first", noise))))).map((value) => 1 / (1 + Math.exp(-value)));
}

/** Noise moved along directions by so many standard deviations, kept inside the cube that training saw. */
export function walk(noise, directions, steps) {
  const moved = Float32Array.from(noise);
  for (const [name, step] of Object.entries(steps)) {
    directions[name].data.forEach((value, i) => { moved[i] += step * value; });
  }
  return moved.map((value) => Math.min(Math.max(value, -ROOT3), ROOT3));
}

export const drawNoise = (size) => Float32Array.from({ length: size }, () => (Math.random() * 2 - 1) * ROOT3);

function paint(canvas, image) {
  const side = Math.round(Math.sqrt(image.length));
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(side, side);
  image.forEach((value, i) => pixels.data.set([255 * (1 - value), 255 * (1 - value), 255 * (1 - value), 255], 4 * i));
  context.putImageData(pixels, 0, 0);
}

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const fetched = async (name) => {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return parseSafetensors(await response.arrayBuffer());
};

async function start(stage) {
  const [generator, directions] = await Promise.all([fetched("generator.safetensors"), fetched("directions.safetensors")]);
  const size = generator["first.weight"].shape[1];
  const noises = [], canvases = [], steps = Object.fromEntries(Object.keys(directions).map((name) => [name, 0]));
  const grid = element("div", { className: "digits" });
  grid.setAttribute("role", "img");
  grid.setAttribute("aria-label", "Twelve handwritten digits, drawn just now by the generator");
  const redraw = () => canvases.forEach((canvas, i) => paint(canvas, generate(generator, walk(noises[i], directions, steps))));
  for (let i = 0; i < 12; i++) {
    canvases.push(grid.appendChild(element("canvas")));
    noises.push(drawNoise(size));
  }
  const again = element("button", { type: "button", textContent: "Draw others" });
  again.addEventListener("click", () => { noises.forEach((_, i) => { noises[i] = drawNoise(size); }); redraw(); });
  const sliders = Object.keys(steps).map((name) => {
    const input = element("input", { type: "range", min: -3, max: 3, step: 0.25, value: 0 });
    input.addEventListener("input", () => { steps[name] = Number(input.value); redraw(); });
    return element("label", {}, `${name} `, input);
  });
  stage.replaceChildren(grid, element("div", { className: "controls" }, again, ...sliders));
  redraw();
}

if (typeof document !== "undefined") {
  for (const figure of document.querySelectorAll('[data-demo="draw"]')) {
    const stage = figure.querySelector(".stage"), button = figure.querySelector(".start");
    button?.addEventListener("click", () => {
      button.textContent = "Loading…";
      start(stage).catch((error) => { button.textContent = `The demo could not be loaded (${error.message}). Try again`; });
    });
  }
}
