// The small model of small.py: it reads question and columns, and points at what it copies.
// Shapes: S pieces, E width, D width of a head. The pieces go through the decoder once, then each action alone.

import { spoken } from "./pieces.js";

const AGGREGATES = ["", "MAX", "MIN", "COUNT", "SUM", "AVG"], SIGNS = ["=", ">", "<"], COLUMN = 2;
const END = AGGREGATES.length, BEGIN = END + 4, KEYWORDS = END + 5;

/** Matrices and vectors of a safetensors file, those in eight bits times the scales of their rows. */
export function parseWeights(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  delete head.__metadata__;
  const read = ({ dtype, data_offsets: [begin, end] }) =>
    new { I8: Int8Array, F32: Float32Array }[dtype](buffer.slice(8 + size + begin, 8 + size + end));
  const found = {};
  for (const [name, entry] of Object.entries(head)) {
    if (name.endsWith(".scale")) continue;
    const values = read(entry), width = entry.shape.at(-1);
    if (entry.dtype !== "I8") { found[name] = values; continue; }
    const scale = read(head[`${name}.scale`]);
    found[name] = Float32Array.from(values, (value, i) => value * scale[Math.floor(i / width)]);
  }
  return found;
}

/** x (E) times a matrix (O, E). */
function times(matrix, x) {
  const made = new Float32Array(matrix.length / x.length);
  for (let row = 0, at = 0; row < made.length; row++) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += matrix[at++] * x[i];
    made[row] = sum;
  }
  return made;
}

function normed(x, weight, eps) {
  let sum = 0;
  for (const value of x) sum += value * value;
  const scale = 1 / Math.sqrt(sum / x.length + eps);
  return x.map((value, i) => value * scale * weight[i]);
}

/** Dimension i and dimension i + D / 2 of each head turned as one point of a plane, in place. */
function turn(x, position, { heads, ropeBase }) {
  const d = x.length / heads, half = d / 2;
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < half; i++) {
      const angle = position * ropeBase ** (-2 * i / d), at = head * d + i;
      const [cos, sin, a, b] = [Math.cos(angle), Math.sin(angle), x[at], x[at + half]];
      x[at] = a * cos - b * sin;
      x[at + half] = b * cos + a * sin;
    }
  }
  return x;
}

/** A stack of blocks. Positions see whatever was put in before them, or with them. */
class Stack {
  constructor(weights, prefix, layers, sizes) {
    Object.assign(this, { weights, prefix, layers, sizes });
    this.cache = Array.from({ length: layers }, () => ({ keys: [], values: [] }));
  }

  /** States after all blocks of vectors that stand from `position` on and all see each other. */
  push(vectors, position) {
    const { weights, sizes } = this;
    let xs = vectors;
    for (let layer = 0; layer < this.layers; layer++) {
      const of = (name) => weights[`${this.prefix}.blocks.${layer}.${name}.weight`], cache = this.cache[layer];
      const inside = xs.map((x) => normed(x, of("attention_norm"), sizes.eps));
      inside.forEach((x, i) => {
        cache.keys.push(turn(times(of("attention.k"), x), position + i, sizes));
        cache.values.push(times(of("attention.v"), x));
      });
      xs = xs.map((x, i) => {
        const q = turn(times(of("attention.q"), inside[i]), position + i, sizes);
        const attended = times(of("attention.o"), this.mixed(q, cache));
        const middle = x.map((value, e) => value + attended[e]);
        const y = normed(middle, of("mlp_norm"), sizes.eps);
        const gate = times(of("mlp.gate"), y), up = times(of("mlp.up"), y);
        const down = times(of("mlp.down"), gate.map((g, n) => (g / (1 + Math.exp(-g))) * up[n]));
        return middle.map((value, e) => value + down[e]);
      });
    }
    return xs.map((x) => normed(x, weights[`${this.prefix}.norm.weight`], sizes.eps));
  }

  mixed(q, { keys, values }) {
    const { heads } = this.sizes, d = q.length / heads, made = new Float32Array(q.length);
    for (let head = 0; head < heads; head++) {
      const from = head * d;
      const scores = keys.map((key) => {
        let sum = 0;
        for (let i = from; i < from + d; i++) sum += q[i] * key[i];
        return sum / Math.sqrt(d);
      });
      const shares = softmax(scores);
      values.forEach((value, s) => { for (let i = from; i < from + d; i++) made[i] += shares[s] * value[i]; });
    }
    return made;
  }
}

function softmax(scores) {
  const top = Math.max(...scores), powers = scores.map((score) => Math.exp(score - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** Question and columns as pieces, with the marks before the columns. */
export function source(pieces, text, columns) {
  const { ids, spans } = pieces.encode(text), marks = [], all = [...ids];
  for (const column of columns) {
    marks.push(all.length);
    all.push(COLUMN, ...pieces.encode(spoken(column)).ids);
  }
  return { text: [...text], columns, pieces: all, spans, marks };
}

/** Which keywords and places may come next. */
function allowed({ spans, marks, pieces }, taken, mostConditions) {
  const free = new Array(KEYWORDS + pieces.length).fill(false), step = taken.length, place = (step - 2) % 4;
  if (step === 0) free.fill(true, 0, END);
  else if (step === 1 || place === 1) for (const mark of marks) free[KEYWORDS + mark] = true;
  else if (place === 0) {
    free[END] = true;
    if (spans.length && step < 2 + 4 * mostConditions) free.fill(true, END + 1, BEGIN);
  } else free.fill(true, place === 3 ? taken.at(-1) : KEYWORDS, KEYWORDS + spans.length);
  return free;
}

/** A query in parts: {aggregate, column, conditions: [column, sign, value]}. */
function sketch({ text, columns, marks, spans }, taken) {
  const name = (action) => columns[marks.indexOf(action - KEYWORDS)], conditions = [];
  for (let i = 2; i < taken.length - 1; i += 4) {
    const [sign, column, begin, end] = taken.slice(i, i + 4);
    const value = text.slice(spans[begin - KEYWORDS][0], spans[end - KEYWORDS][1]).join("");
    conditions.push([name(column), SIGNS[sign - END - 1], value]);
  }
  return { aggregate: AGGREGATES[taken[0]], column: name(taken[1]), conditions };
}

/** The likeliest actions one after the other, and the log-probability of all of them in nats. */
export function write(weights, sizes, at) {
  const encoder = new Stack(weights, "encoder", sizes.layers, sizes);
  const decoder = new Stack(weights, "decoder", sizes.decoderLayers, sizes);
  const row = (name, i) => weights[name].slice(i * sizes.width, (i + 1) * sizes.width);
  const states = encoder.push(at.pieces.map((piece) => row("encoder.embedding.weight", piece)), 0);
  decoder.push(states, 0);
  const taken = [];
  let logP = 0, last = row("decoder.embedding.weight", BEGIN);
  while (taken.at(-1) !== END) {
    const [after] = decoder.push([last], states.length + taken.length);
    const pointing = times(weights["pointing.weight"], after);
    const places = states.map((state) => state.reduce((sum, x, e) => sum + x * pointing[e], 0) / Math.sqrt(sizes.width));
    const free = allowed(at, taken, sizes.mostConditions);
    const scores = [...times(weights["decoder.embedding.weight"], after), ...places].map((s, i) => (free[i] ? s : -Infinity));
    const shares = softmax(scores), action = scores.indexOf(Math.max(...scores));
    taken.push(action);
    logP += Math.log(shares[action]);
    last = action < KEYWORDS ? row("decoder.embedding.weight", action) : states[action - KEYWORDS];
  }
  return { ...sketch(at, taken), logP };
}
