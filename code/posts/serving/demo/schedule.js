// The demo in the page: the engine's schedule, step by step, as recorded; or of a load that the reader sets.
// Nothing is loaded before the button is pressed, and nothing leaves the page. The rules are in scheduler.js.

import { simulate, stream } from "./scheduler.js";

const element = (tag, properties = {}, ...children) => {
  const { aria = {}, ...own } = properties;
  const made = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
};

const slider = (text, properties, changed) => {
  const input = element("input", { type: "range", ...properties }), told = element("span");
  const show = () => { told.textContent = ` ${input.value}`; };
  input.addEventListener("input", () => { show(); changed(); });
  show();
  return { input, show, label: element("label", {}, element("span", {}, text, told), input) };
};

/** Tokens of each step: those written below, those of prompts above them; the step that is looked at is marked. */
function draw(canvas, rows, budget, at) {
  const context = canvas.getContext("2d"), { width, height } = canvas, tall = (height - 10) / budget, wide = width / rows.length;
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(canvas).color;
  rows.forEach((row, n) => {
    const low = row.decoded * tall, high = row.prefilled * tall;
    context.globalAlpha = n === at ? 1 : 0.75;
    context.fillRect(n * wide, height - low, Math.max(1, wide - 0.5), low);
    context.globalAlpha = n === at ? 0.6 : 0.3;
    context.fillRect(n * wide, height - low - high, Math.max(1, wide - 0.5), high);
  });
  context.globalAlpha = 1;
  context.fillRect(at * wide, 0, Math.max(1, wide), 4);
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

/** Steps from arrival to the first token, of each request. */
function waits(arrivals, rows) {
  const seen = arrivals.map(() => 0), first = arrivals.map(() => null);
  rows.forEach((row, step) => row.chunks.forEach(([number, take]) => { seen[number] += take; first[number] = step; }));
  return arrivals.map((arrival, n) => {
    let left = arrival.shared + arrival.own;
    for (let step = arrival.step; step < rows.length; step++) {
      const chunk = rows[step].chunks.find(([number]) => number === n);
      if (!chunk) continue;
      left -= chunk[1];
      if (left <= 0 || chunk[1] === 1) return step - arrival.step + 1;
    }
    return seen[n] ? first[n] - arrival.step + 1 : rows.length;
  });
}

function start(root, recorded) {
  const canvas = element("canvas", { width: 640, height: 180, role: "img" });
  const status = element("p", { role: "status" });
  const table = element("table", {}, element("caption", { textContent: "in this step" }));
  let rows = recorded.rows, arrivals = recorded.arrivals;

  const show = () => {
    step.input.max = rows.length - 1;
    const at = Math.min(Number(step.input.value), rows.length - 1), row = rows[at];
    step.show();
    draw(canvas, rows, recorded.limits.budget, at);
    canvas.setAttribute("aria-label", `Tokens of ${rows.length} steps; step ${at}: ${row.decoded} written, ${row.prefilled} of prompts`);
    const cells = { "tokens written": row.decoded, "tokens of prompts": row.prefilled, "requests running": `${row.running} of ${recorded.limits.sequences}`,
      "requests waiting": row.waiting, "pages in use": `${row.pages_used} of ${recorded.limits.pages}`, "sent back to wait": row.preempted };
    table.replaceChildren(table.caption, element("tbody", {}, ...Object.entries(cells).map(([name, value]) =>
      element("tr", {}, element("th", { scope: "row", textContent: name }), element("td", { textContent: `${value}` })))));
    status.textContent = `${arrivals.length} requests in ${rows.length} steps; half of them had their first token within ${median(waits(arrivals, rows))} steps.`;
  };
  const again = () => {
    const every = 12 / Number(load.input.value);
    arrivals = stream(1, recorded.arrivals.length, every, recorded.page);
    const limits = { ...recorded.limits, pages: Number(pages.input.value), chunk: Number(chunk.input.value) };
    rows = simulate({ ...recorded, limits, arrivals });
    show();
  };
  const step = slider("step", { min: 0, max: rows.length - 1, value: 0 }, show);
  const load = slider("requests in 12 steps", { min: 1, max: 12, value: 4 }, again);
  const pages = slider("pages", { min: 16, max: 96, value: recorded.limits.pages }, again);
  const chunk = slider("most tokens of a prompt in a step", { min: 4, max: recorded.limits.budget, value: recorded.limits.chunk }, again);
  const back = element("button", { type: "button", textContent: "The recorded schedule" });
  back.addEventListener("click", () => { ({ rows, arrivals } = recorded); show(); });
  const form = element("form", {}, step.label, load.label, pages.label, chunk.label);
  root.replaceChildren(element("div", { className: "whole" }, canvas, form, back, table, status));
  show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  step.input.focus({ preventScroll: true });
}

/** The record beside this script, if it is the one whose SHA-256 the ledger has. */
async function load(recorded) {
  const response = await fetch(new URL("trace.json", import.meta.url));
  if (!response.ok) throw new Error(`trace.json: ${response.status}`);
  const buffer = await response.arrayBuffer();
  const bytes = globalThis.crypto?.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  const digest = bytes ? Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
  if (!recorded || (digest && digest !== recorded)) throw new Error("trace.json is not the file of the ledger");
  return JSON.parse(new TextDecoder().decode(buffer));
}

for (const figure of document.querySelectorAll('[data-demo="schedule"]')) {
  const [stage, button, told] = [".stage", ".start", ".told"].map((part) => figure.querySelector(part));
  const digests = JSON.parse(figure.dataset.digests), asked = button.textContent;
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    button.textContent = "Loading…";
    try {
      start(stage, await load(digests["demo/trace.json"]));
    } catch (error) {
      told.textContent = `The demo does not run: ${error.message}.`;
      button.textContent = asked;
      busy = false;
    }
  });
}
