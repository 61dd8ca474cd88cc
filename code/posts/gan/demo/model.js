// The files that the post's numbers came from, and the arithmetic of the two players on them, as in model.py.

const WALL = Math.sqrt(3); // noise is uniform on plus or minus this

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

/** The rows of a matrix. */
export function rows({ shape: [count, width], data }) {
  return Array.from({ length: count }, (_, row) => data.subarray(row * width, (row + 1) * width));
}

/** weight (outputs, inputs) · x + bias. Four sums at once, since an addition waits for the one before it. */
function linear(tensors, name, x) {
  const { shape: [outputs, inputs], data: weight } = tensors[`${name}.weight`];
  const y = Float32Array.from(tensors[`${name}.bias`].data);
  const whole = inputs - (inputs % 4);
  for (let o = 0; o < outputs; o++) {
    const row = o * inputs;
    let a = 0, b = 0, c = 0, d = 0, i = 0;
    for (; i < whole; i += 4) {
      a += weight[row + i] * x[i];
      b += weight[row + i + 1] * x[i + 1];
      c += weight[row + i + 2] * x[i + 2];
      d += weight[row + i + 3] * x[i + 3];
    }
    for (; i < inputs; i++) a += weight[row + i] * x[i];
    y[o] += a + b + c + d;
  }
  return y;
}

const relu = (x) => x.map((value) => Math.max(value, 0));
const sigmoid = (value) => 1 / (1 + Math.exp(-value));

/** Each unit is the largest of its linear functions; a unit's functions lie side by side. */
function maxout(tensors, name, units, x) {
  const z = linear(tensors, `${name}.linear`, x), pieces = z.length / units;
  return Float32Array.from({ length: units }, (_, unit) => Math.max(...z.subarray(unit * pieces, (unit + 1) * pieces)));
}

/** One image, values in (0, 1), from noise uniform on ±√3. */
export function generate(generator, noise) {
  const layer = (name, x) => linear(generator, name, x);
  return layer("output", relu(layer("second", relu(layer("first", noise))))).map(sigmoid);
}

/** The discriminator's probability that an image is real, without dropout. */
export function judge(discriminator, image) {
  const units = discriminator["output.weight"].shape[1];
  const hidden = maxout(discriminator, "second", units, maxout(discriminator, "first", units, image));
  return sigmoid(linear(discriminator, "output", hidden)[0]);
}

/** The point on the line from one noise to another: the first at 0, the second at 1. */
export const mix = (from, to, fraction) => from.map((value, i) => value + fraction * (to[i] - value));

/** Noise moved along directions by so many standard deviations, kept inside the cube that training saw. */
export function walk(noise, directions, steps) {
  const moved = Float32Array.from(noise);
  for (const [name, step] of Object.entries(steps)) {
    directions[name].data.forEach((value, i) => { moved[i] += step * value; });
  }
  return moved.map((value) => Math.min(Math.max(value, -WALL), WALL));
}

export const drawNoise = (size) => Float32Array.from({ length: size }, () => (Math.random() * 2 - 1) * WALL);

/** The largest difference between what is computed here and what PyTorch computed from the same noise. */
export function difference({ generator, discriminator, examples }) {
  const images = rows(examples.images);
  const largest = rows(examples.noise).map((noise, n) => {
    const image = generate(generator, noise);
    const apart = image.map((value, i) => Math.abs(value - images[n][i]));
    return Math.max(...apart, Math.abs(judge(discriminator, image) - examples.probability.data[n]));
  });
  return Math.max(...largest);
}

/**
 * A safetensors file beside this script, if it is the one whose SHA-256 the ledger has: {name, digest, tensors}.
 * Browsers digest only on secure connections; on any other, `digest` is null. Throws where the file is another.
 */
export async function load(name, recorded) {
  const file = `${name}.safetensors`;
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  const buffer = await response.arrayBuffer();
  const bytes = globalThis.crypto?.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  const digest = bytes ? Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
  if (!recorded) throw new Error(`${file} is in no ledger`);
  if (digest && digest !== recorded) {
    const [found, expected] = [digest, recorded].map((whole) => whole.slice(0, 12));
    throw new Error(`${file} is not the file of the ledger: its SHA-256 starts with ${found}, recorded is ${expected}`);
  }
  return { name, digest, tensors: parseSafetensors(buffer) };
}
