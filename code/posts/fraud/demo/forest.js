// The trees of the service and a day of payments, as the post published them, and the arithmetic of both.
// The same as trees.py and features.py: a test compares every tree and every feature.

const reader = (buffer, magic, name) => {
  const found = new TextDecoder().decode(new Uint8Array(buffer, 0, magic.length));
  if (found !== magic) throw new Error(`${name} is not what this page reads`);
  let offset = 8;
  return {
    skip(bytes) { offset += bytes; },
    number(kind) {
      const view = new DataView(buffer, offset), value = kind === "f8" ? view.getFloat64(0, true) : view.getUint32(0, true);
      offset += kind === "f8" ? 8 : 4;
      return value;
    },
    column(Kind, count) {
      const bytes = count * Kind.BYTES_PER_ELEMENT;
      const made = new Kind(buffer.slice(offset, offset + bytes));
      offset += bytes;
      return made;
    },
  };
};

/** Packed trees: columns as in trees.py. */
export function parseTrees(buffer) {
  const from = reader(buffer, "TREES1", "trees.bin");
  const [trees, nodes, leaves, width] = Array.from({ length: 4 }, () => from.number("u4"));
  return {
    width,
    value: from.column(Float64Array, nodes),
    threshold: from.column(Float64Array, nodes),
    leaf: from.column(Float64Array, leaves),
    firstNode: from.column(Uint32Array, trees),
    firstLeaf: from.column(Uint32Array, trees),
    left: from.column(Int16Array, nodes),
    right: from.column(Int16Array, nodes),
    feature: from.column(Uint8Array, nodes),
  };
}

/** A day: for each payment its score in Python, its counts, its second and whether it was a fraud. */
export function parseDay(buffer) {
  const from = reader(buffer, "DAY1", "day.bin");
  const rows = from.number("u4"), width = from.number("u4"), weight = from.number("f8");
  const score = from.column(Float64Array, rows), counts = from.column(Int32Array, rows * width);
  const second = from.column(Int32Array, rows), fraud = from.column(Uint8Array, rows);
  return { rows, width, weight, score, counts, second, fraud };
}

/** Features from counts, as features.finish: sums become means, frauds become shares of what was counted. */
export function finish(counts) {
  const x = Float64Array.from(counts);
  for (let i = 0; i < 3; i++) {
    x[6 + i] = counts[6 + i] / counts[3 + i];
    x[12 + i] = counts[12 + i] / Math.max(counts[9 + i], 1);
  }
  x[15] = (counts[0] * counts[15]) / counts[16];
  x[16] = counts[16] / counts[15];
  return x;
}

/** Walks one tree; calls `moved(feature, change)` on the way, and returns the leaf's value. */
function walk(trees, tree, x, moved) {
  const base = trees.firstNode[tree], end = trees.firstNode[tree + 1] ?? trees.feature.length;
  let node = end > base ? 0 : -1;
  while (node >= 0) {
    const at = base + node, feature = trees.feature[at];
    node = x[feature] <= trees.threshold[at] ? trees.left[at] : trees.right[at];
    if (moved) {
      const after = node >= 0 ? trees.value[base + node] : trees.leaf[trees.firstLeaf[tree] - 1 - node];
      moved(feature, after - trees.value[at]);
    }
  }
  return trees.leaf[trees.firstLeaf[tree] - 1 - node];
}

/** The value of the leaf that each tree comes to. */
export const leaves = (trees, x) => Array.from(trees.firstNode, (_, tree) => walk(trees, tree, x));

/** Probability of fraud. */
export function score(trees, x) {
  return 1 / (1 + Math.exp(-leaves(trees, x).reduce((sum, leaf) => sum + leaf, 0)));
}

/** How far each feature moved the log odds. */
export function contributions(trees, x) {
  const moved = new Float64Array(trees.width);
  for (let tree = 0; tree < trees.firstNode.length; tree++) {
    walk(trees, tree, x, (feature, change) => { moved[feature] += change; });
  }
  return moved;
}

/** The score above which blocking is cheaper. Costs in cents, as in decide.py. */
export function threshold(cents, { fee, annoyance, margin }) {
  const blocked = annoyance + margin * cents;
  return blocked / (blocked + fee + cents);
}

/** What a day costs at a threshold: counts and cents, each genuine payment of the sample weighing what it stands for. */
export function outcome(day, scores, costs) {
  const total = { caught: 0, missed: 0, annoyed: 0, passed: 0, cost: 0 };
  for (let row = 0; row < day.rows; row++) {
    const cents = day.counts[row * day.width], blocked = scores[row] > threshold(cents, costs);
    if (day.fraud[row]) {
      total[blocked ? "caught" : "missed"] += 1;
      if (!blocked) total.cost += costs.fee + cents;
    } else {
      total[blocked ? "annoyed" : "passed"] += day.weight;
      if (blocked) total.cost += day.weight * (costs.annoyance + costs.margin * cents);
    }
  }
  return total;
}
