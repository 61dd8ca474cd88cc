// The demo in the page: a table, a question, the query that the small model writes, and the rows that it returns.
// Nothing is loaded before the button is pressed, and nothing leaves the page.

import { parseWeights, source, write } from "./decoder.js";
import { distinct, Pieces } from "./pieces.js";
import { named, parseCsv, realSql, shownSql, stored } from "./sheet.js";

const MOST_ROWS = 20, PREVIEW = 5, PATIENCE = 5000; // milliseconds that a query may take

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const shownCell = (cell) => (cell === null || cell === undefined ? "" : String(cell));

function tableOf(caption, header, rows) {
  const head = header.map((name) => element("th", { scope: "col", textContent: name }));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", { textContent: shownCell(cell) }))));
  return element("div", { className: "scroll", tabIndex: 0 }, element("table", {},
    element("caption", { textContent: caption }), element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...body)));
}

/** Runs queries beside the page; one that takes too long is ended with all that it runs in. */
class Sqlite {
  constructor() { this.asked = 0; this.waiting = new Map(); }

  async query(message) {
    this.worker ??= this.started();
    const worker = await this.worker, id = ++this.asked; // the clock starts when SQLite has
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => this.end(`it takes longer than ${PATIENCE / 1000} s`), PATIENCE);
      this.waiting.set(id, { resolve, reject, late });
      worker.postMessage({ id, ...message });
    });
  }

  started() {
    const worker = new Worker(new URL("rows.js", import.meta.url));
    this.running = worker;
    return new Promise((resolve, reject) => {
      const fail = (why) => { reject(new Error(why)); this.end(why); };
      worker.onerror = ({ message }) => fail(message || "it does not start");
      worker.onmessage = ({ data: { id, ready, error, ...found } }) => {
        if (ready) { resolve(worker); return; }
        if (id === undefined) { fail(error); return; }
        const asked = this.waiting.get(id);
        if (!asked) return;
        clearTimeout(asked.late);
        this.waiting.delete(id);
        if (error) asked.reject(new Error(error)); else asked.resolve(found);
      };
    });
  }

  /** Ends whatever runs, and all that wait for it; the next query starts anew. */
  end(why) {
    this.running?.terminate();
    this.worker = this.running = undefined;
    for (const { reject, late } of this.waiting.values()) { clearTimeout(late); reject(new Error(why)); }
    this.waiting.clear();
  }
}

/** The small model with what it needs: asks a table that is given by its header. */
class Small {
  constructor(settings, weights) {
    Object.assign(this, settings, { weights, pieces: new Pieces(settings) });
  }

  ask(text, header) {
    const columns = distinct(header, this.names), at = source(this.pieces, text, columns);
    const query = write(this.weights, this.sizes, at);
    return { query, real: Object.fromEntries(columns.map((column, i) => [column, header[i]])) };
  }

  /** How many of the questions whose answers Python recorded are answered so here. */
  agreed() {
    const all = this.tables.flatMap(({ header, questions }) => questions.map((each) => ({ header, ...each })));
    const same = all.filter(({ header, text, sql }) => shownSql(this.ask(text, header).query, this.names.table) === sql);
    return [same.length, all.length];
  }
}

function replayed({ large }) {
  const outcome = large.declined ? `It declines: ${large.declined}.` : `Confidence ${large.confidence.toFixed(2)}.`;
  const nodes = [element("p", {}, element("strong", { textContent: "The large model, recorded" })),
    element("pre", {}, element("code", { textContent: large.sql })), element("p", { textContent: outcome })];
  if (!large.declined) nodes.push(tableOf("its rows", large.rows[0]?.map((_, i) => `column ${i + 1}`) ?? ["none"], large.rows));
  return nodes;
}

function start(stage, small) {
  const sqlite = new Sqlite();
  let table = null;
  const select = element("select", {}, ...small.tables.map(({ title }, i) => element("option", { value: i, textContent: title })));
  const file = element("input", { type: "file", accept: ".csv,.tsv,.txt" });
  const input = element("input", { type: "text", maxLength: small.limits.typed, required: true, autocomplete: "off" });
  const said = element("p", { role: "status" }), preview = element("div"), examples = element("p"), result = element("div", { className: "result" });
  const form = element("form", {},
    element("label", {}, "table", select), element("label", {}, "or a CSV file of yours", file),
    element("label", {}, "question", input), element("button", { textContent: "Ask" }));

  let turn = 0; // an answer is shown if nothing was asked or chosen since
  const choose = (chosen) => {
    turn++;
    table = { ...chosen, header: named(chosen.header) };
    preview.replaceChildren(tableOf(`${table.title}: ${table.rows.length} rows`, table.header, table.rows.slice(0, PREVIEW)));
    examples.replaceChildren(...(table.questions ?? []).map(({ text }) => {
      const button = element("button", { type: "button", textContent: text });
      button.addEventListener("click", () => { input.value = text; form.requestSubmit(); });
      return button;
    }));
    input.value = table.questions?.[0]?.text ?? "";
    result.replaceChildren();
    said.textContent = "";
  };

  select.addEventListener("change", () => choose(small.tables[Number(select.value)]));
  file.addEventListener("change", async () => {
    const [own] = file.files;
    if (!own) return;
    try {
      if (own.size > small.limits.tableBytes) throw new Error(`it has ${own.size} bytes, at most ${small.limits.tableBytes} are taken`);
      choose({ title: own.name.replace(/\.\w+$/, ""), ...parseCsv(await own.text()) });
    } catch (error) {
      said.textContent = `The file is not taken: ${error.message}.`;
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim().replace(/\s+/g, " ");
    if (!text) return;
    const { query, real } = small.ask(text, table.header), asked = table, mine = ++turn;
    const shown = [element("p", {}, element("strong", { textContent: "The small model, here" })),
      element("pre", {}, element("code", { textContent: shownSql(query, small.names.table) }))];
    said.textContent = `Its own probability of this query: ${Math.exp(query.logP).toFixed(2)}.`;
    try {
      const { numeric, rows } = stored(asked);
      const found = await sqlite.query({ table: asked.title, header: asked.header, numeric, rows,
        sql: realSql(query, asked.title, real), most: MOST_ROWS });
      const name = query.aggregate ? `${query.aggregate}(${real[query.column]})` : real[query.column];
      shown.push(tableOf(found.cut ? `the first ${MOST_ROWS} rows` : `${found.rows.length} rows`, [name], found.rows));
    } catch (error) {
      shown.push(element("p", { textContent: `SQLite does not answer: ${error.message}.` }));
    }
    if (mine !== turn) return;
    const recorded = asked.questions?.find((each) => each.text === text);
    result.replaceChildren(...shown, ...(recorded ? replayed(recorded) : []));
  });

  const [same, all] = small.agreed();
  const check = `${same} of ${all} recorded questions get the query here that Python recorded for the small model.`;
  stage.replaceChildren(element("div", { className: "whole" }, form, preview, examples, said, result,
    element("p", { className: "hint", textContent: check })));
  choose(small.tables[0]);
  input.focus({ preventScroll: true });
}

/** A file beside this script, if it is the one whose SHA-256 the ledger has. */
async function load(file, recorded) {
  const response = await fetch(new URL(file, import.meta.url));
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  const buffer = await response.arrayBuffer();
  const bytes = globalThis.crypto?.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  const digest = bytes ? Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
  if (!recorded || (digest && digest !== recorded)) throw new Error(`${file} is not the file of the ledger`);
  return buffer;
}

const figures = globalThis.document?.querySelectorAll('[data-demo="ask"]') ?? [];
for (const figure of figures) {
  const [stage, button, told] = [".stage", ".start", ".told"].map((part) => figure.querySelector(part));
  const digests = JSON.parse(figure.dataset.digests), asked = button.textContent;
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    button.textContent = "Loading…";
    try {
      const [weights, settings] = await Promise.all(
        ["ask.weights.safetensors", "ask.json"].map((name) => load(name, digests[`demo/${name}`])));
      start(stage, new Small(JSON.parse(new TextDecoder().decode(settings)), parseWeights(weights)));
    } catch (error) {
      told.textContent = `The demo does not run: ${error.message}.`;
      button.textContent = asked;
      busy = false;
    }
  });
}
