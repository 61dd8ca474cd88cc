// The demo in the page: a day of payments under a movable cost, and a payment of one's own.
// Nothing is loaded before the button is pressed, and nothing leaves the page. The arithmetic is in forest.js.

import { contributions, finish, outcome, parseDay, parseTrees, score, threshold } from "./forest.js";

const COSTS = { fee: 1500, annoyance: 1000, margin: 0.02 };
const DAY = 86400, HOURS = 24;
const FIELDS = [ // of the form: label, place among the counts, least, most, at the start, what one unit is
  ["amount", 0, 1, 1000, 60, 100],
  ["usual amount of the card", 16, 1, 200, 50, 200],
  ["unusually large payments, a fortnight", 30, 0, 10, 0, 1],
  ["frauds known at the terminal, a week", 13, 0, 10, 0, 1],
  ["the latest of them, without a genuine one since", 34, 0, 10, 0, 1],
];
const WORDS = { 0: "the amount", 15: "the amount beside what is usual", 16: "what is usual for the card" };

const element = (tag, properties = {}, ...children) => {
  const { aria = {}, ...own } = properties;
  const made = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
};

const slider = (text, properties, changed) => {
  const input = element("input", { type: "range", ...properties }), told = element("span");
  const show = () => { told.textContent = ` ${input.value}`; changed(); };
  input.addEventListener("input", show);
  told.textContent = ` ${properties.value}`;
  return { input, label: element("label", {}, element("span", {}, text, told), input) };
};

const money = (cents) => (cents / 100).toLocaleString("en", { maximumFractionDigits: 0 });
const clock = (second) => new Date(second * 1000).toISOString().slice(11, 16);

/** The day as dots, time to the right and score upwards; frauds are large, what is blocked is filled. */
function drawDay(canvas, day, scores, costs, until) {
  const context = canvas.getContext("2d"), { width, height } = canvas;
  const colour = getComputedStyle(canvas).color;
  context.clearRect(0, 0, width, height);
  context.fillStyle = context.strokeStyle = colour;
  for (let row = 0; row < day.rows && day.second[row] < until; row++) {
    const x = 6 + (width - 12) * (day.second[row] / DAY), y = height - 6 - (height - 12) * scores[row];
    const blocked = scores[row] > threshold(day.counts[row * day.width], costs);
    context.globalAlpha = day.fraud[row] ? 1 : 0.35;
    context.beginPath();
    context.arc(x, y, day.fraud[row] ? 4 : 2, 0, 2 * Math.PI);
    if (blocked) context.fill(); else context.stroke();
  }
  context.globalAlpha = 1;
}

/** The confusion matrix as a table. */
function matrix() {
  const cells = Object.fromEntries(["caught", "missed", "annoyed", "passed"].map((name) => [name, element("td")]));
  const head = (text, scope) => element("th", { textContent: text, scope });
  const table = element("table", {},
    element("caption", { textContent: "payments of the day" }),
    element("thead", {}, element("tr", {}, element("td"), head("blocked", "col"), head("approved", "col"))),
    element("tbody", {},
      element("tr", {}, head("fraud", "row"), cells.caught, cells.missed),
      element("tr", {}, head("genuine", "row"), cells.annoyed, cells.passed)));
  const show = (total) => {
    for (const [name, cell] of Object.entries(cells)) cell.textContent = Math.round(total[name]).toLocaleString("en");
  };
  return { table, show };
}

/** A day under a cost that can be moved, as a whole or up to an hour. */
function dayPart(trees, day, scores) {
  const canvas = element("canvas", { width: 640, height: 200, role: "img", style: "aspect-ratio: 16 / 5" });
  const said = element("p", { role: "status" }), { table, show } = matrix(), latest = element("ul");
  const redraw = () => {
    const costs = { ...COSTS, annoyance: 100 * Number(cost.input.value) };
    const until = (DAY / HOURS) * Number(hour.input.value);
    const shown = { ...day, rows: day.second.findLastIndex((second) => second < until) + 1 };
    const total = outcome(shown, scores, costs);
    drawDay(canvas, shown, scores, costs, until);
    canvas.setAttribute("aria-label", `${shown.rows} payments until ${Number(hour.input.value)} o'clock, by time and score`);
    show(total);
    said.textContent = `A payment of 50 is blocked above a probability of ${threshold(5000, costs).toFixed(2)}. ` +
      `Missed frauds and annoyed customers cost ${money(total.cost)} so far.`;
    const alerts = Array.from({ length: shown.rows }, (_, row) => row)
      .filter((row) => scores[row] > threshold(day.counts[row * day.width], costs)).slice(-3).reverse();
    latest.replaceChildren(...alerts.map((row) => element("li", {
      textContent: `${clock(day.second[row])}: ${money(day.counts[row * day.width])} blocked at ` +
        `${scores[row].toFixed(2)}, ${day.fraud[row] ? "a fraud" : "a genuine payment"}; ${because(trees, row, day)}`,
    })));
  };
  const cost = slider("cost of a blocked customer", { min: 1, max: 100, step: 1, value: 10 }, () => redraw());
  const hour = slider("hour of the day", { min: 1, max: HOURS, step: 1, value: HOURS }, () => redraw());
  const nodes = [canvas, element("form", {}, cost.label, hour.label), table, said,
    element("p", { textContent: "The latest blocked:" }), latest];
  return { nodes, redraw };
}

const GROUPS = [ // of features by place, as features.NAMES has them
  [(place) => place >= 27 && place <= 31, "unusual payments of the card"],
  [(place) => place >= 32 || place === 20 || place === 21 || (place >= 12 && place <= 14), "what is known of the terminal"],
  [(place) => place >= 23 && place <= 26, "what is known of the card"],
];
const name = (place) =>
  WORDS[place] ?? GROUPS.find(([within]) => within(place))?.[1] ?? "how often and when card and terminal are used";

function reasons(trees, x) {
  const moved = [...contributions(trees, x)].map((change, feature) => [change, feature]).sort(([a], [b]) => b - a);
  return [...new Set(moved.filter(([change]) => change > 0).map(([, feature]) => name(feature)))].slice(0, 3);
}

const because = (trees, row, day) => {
  const counts = day.counts.subarray(row * day.width, (row + 1) * day.width);
  return `because of ${reasons(trees, finish(counts)).join(", ")}`;
};

/** A payment of one's own: an ordinary one of the day, with what the form says put in its place. */
function formPart(trees, day, scores) {
  const ordinary = scores.reduce((best, value, row) => (!day.fraud[row] && value < scores[best] ? row : best), 0);
  const said = element("p", { role: "status" });
  const redraw = () => {
    const counts = Int32Array.from(day.counts.subarray(ordinary * day.width, (ordinary + 1) * day.width));
    counts[15] = 2; // so that two usual amounts are the sum that the form sets
    FIELDS.forEach(([, place, , , , unit], n) => { counts[place] = unit * Number(sliders[n].input.value); });
    const frauds = counts[13];
    [counts[12], counts[14], counts[32], counts[33]] = [0, frauds, frauds, frauds];
    for (const place of [10, 11]) counts[place] = Math.max(counts[place], frauds);
    if (counts[34]) [counts[20], counts[35]] = [1, 10 * DAY];
    for (const place of [27, 28, 29]) counts[place] = Math.min(counts[place], counts[30]);
    const x = finish(counts), probability = score(trees, x), limit = threshold(counts[0], COSTS);
    said.textContent = `Probability of fraud ${probability.toFixed(3)}, blocked above ${limit.toFixed(3)}: ` +
      `${probability > limit ? "blocked" : "approved"}. What raises it: ${reasons(trees, x).join(", ")}.`;
  };
  const sliders = FIELDS.map(([text, , min, max, value]) => slider(text, { min, max, step: 1, value }, () => redraw()));
  return { nodes: [element("form", {}, ...sliders.map(({ label }) => label)), said], redraw };
}

function start(stage, files) {
  const trees = parseTrees(files["trees.bin"]), day = parseDay(files["day.bin"]);
  const scores = Float64Array.from({ length: day.rows }, (_, row) =>
    score(trees, finish(day.counts.subarray(row * day.width, (row + 1) * day.width))));
  const apart = Math.max(...scores.map((value, row) => Math.abs(value - day.score[row])));
  const parts = [dayPart(trees, day, scores), formPart(trees, day, scores)];
  const title = (text) => element("p", {}, element("strong", { textContent: text }));
  const check = `Largest difference from the scores that Python computed: ${apart.toExponential(1)}.`;
  stage.replaceChildren(element("div", { className: "whole" }, title("A day"), ...parts[0].nodes,
    title("A payment of your own"), ...parts[1].nodes, element("p", { className: "hint", textContent: check })));
  const redraw = () => parts.forEach((part) => part.redraw());
  redraw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  stage.querySelector("input").focus({ preventScroll: true });
}

/** A file beside this script, if it is the one whose SHA-256 the ledger has. */
async function load(file, recorded) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  const buffer = await response.arrayBuffer();
  const bytes = globalThis.crypto?.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  const digest = bytes ? Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
  if (!recorded || (digest && digest !== recorded)) throw new Error(`${file} is not the file of the ledger`);
  return [file, buffer];
}

for (const figure of document.querySelectorAll('[data-demo="score"]')) {
  const [stage, button, told] = [".stage", ".start", ".told"].map((part) => figure.querySelector(part));
  const digests = JSON.parse(figure.dataset.digests), asked = button.textContent;
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    button.textContent = "Loading…";
    try {
      const names = ["trees.bin", "day.bin"];
      start(stage, Object.fromEntries(await Promise.all(names.map((one) => load(one, digests[`demo/${one}`])))));
    } catch (error) {
      told.textContent = `The demo does not run: ${error.message}.`;
      button.textContent = asked;
      busy = false;
    }
  });
}
