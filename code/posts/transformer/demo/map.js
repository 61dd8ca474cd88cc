// A map of attention: a token a row, what it looks at in columns, squares the fuller the larger the weight.

export const element = (tag, properties = {}, ...children) => {
  const { aria = {}, ...own } = properties;
  const made = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
};

/** A token as people read it: a piece that goes on with a word begins with a dot. */
export const label = (token) =>
  token.startsWith("▁") ? token.slice(1) || "_" : /^[\p{L}\p{N}]/u.test(token) ? `·${token}` : token;

let choicesMade = 0; // a group of radio buttons is one by its name

/** One of several, as radio buttons, so that arrow keys go from one to the next. Options are [value, text]. */
export function choice(legend, options, changed) {
  const name = `choice-${choicesMade++}`;
  const radios = options.map(([value, text], n) => {
    const input = element("input", { type: "radio", name, value, defaultChecked: !n });
    input.addEventListener("change", () => changed(value));
    return element("label", {}, input, element("span", { textContent: text }));
  });
  return element("fieldset", { className: "choice" }, element("legend", { textContent: legend }), ...radios);
}

const numbered = (count) => Array.from({ length: count }, (_, n) => [n, `${n + 1}`]);
export const choices = (layers, heads, changed, ...mean) => [
  choice("Layer", [...mean, ...numbered(layers)], (layer) => changed({ layer })),
  choice("Head", [...mean, ...numbered(heads)], (head) => changed({ head })),
];

const ink = (node, weight) => node.style.setProperty("--weight", Math.sqrt(weight)); // small weights would not be seen

const scale = () => element("p", { className: "scale" }, "weight", ...[0, 0.1, 0.3, 1].map((weight) => {
  const square = element("i");
  ink(square, weight);
  return element("span", {}, square, `${weight}`);
}));

export class AttentionMap {
  /** `verb` stands between a token and what it looks at, where the map says so in words. */
  constructor(name, verb) {
    this.verb = verb;
    this.table = element("table", { className: "map", aria: { label: name } });
    this.said = element("p", { className: "said", role: "status" });
    this.node = element("div", { className: "attention" }, this.said, this.table, scale());
  }

  /** Other tokens: a query a row, a key a column. `weight(query, key)` lies between 0 and 1. */
  show(queries, keys, weight) {
    this.keys = keys.map(label);
    this.queries = queries.map(label);
    this.heads = this.keys.map((key) => element("th", { scope: "col" }, element("span", { textContent: key })));
    this.rows = this.queries.map((query, n) => {
      const button = element("button", { type: "button", textContent: query });
      for (const kind of ["click", "focus"]) button.addEventListener(kind, () => this.mark(n));
      const row = element("tr", {}, element("th", { scope: "row" }, button), ...this.keys.map(() => element("td")));
      row.addEventListener("pointerenter", ({ pointerType }) => pointerType === "mouse" && this.mark(n));
      return row;
    });
    this.table.replaceChildren(element("thead", {}, element("tr", {}, element("td"), ...this.heads)),
      element("tbody", {}, ...this.rows));
    this.paint(weight);
  }

  /** Other weights for the same tokens. */
  paint(weight) {
    this.weight = weight;
    this.rows.forEach((row, query) => [...row.cells].slice(1).forEach((cell, key) => {
      ink(cell, weight(query, key));
      cell.title = `${this.queries[query]}, ${this.keys[key]}: ${weight(query, key).toFixed(2)}`;
    }));
    this.mark(this.marked < this.rows.length ? this.marked : 0);
  }

  /** Show what one token looks at: in its row, at the heads of the columns, and in words. */
  mark(query) {
    this.marked = query;
    this.rows.forEach((row, n) => row.cells[0].firstChild.setAttribute("aria-pressed", n === query));
    const weights = this.keys.map((_, key) => this.weight(query, key));
    this.heads.forEach((head, key) => ink(head, weights[key]));
    const strongest = weights.map((weight, key) => [weight, this.keys[key]]).sort(([a], [b]) => b - a).slice(0, 3);
    this.said.textContent = `“${this.queries[query]}” ${this.verb} ` +
      strongest.map(([weight, key]) => `“${key}” ${weight.toFixed(2)}`).join(", ");
  }
}

/** A demo of this name in the page: its button loads it, says what went wrong, and can be pressed again. */
export function whenAsked(name, begin) {
  for (const figure of document.querySelectorAll(`[data-demo="${name}"]`)) {
    const [stage, button, told] = [".stage", ".start", ".told"].map((part) => figure.querySelector(part));
    const asked = button.textContent;
    button.addEventListener("click", async () => {
      if (button.textContent !== asked) return;
      button.textContent = "Loading…";
      told.textContent = "";
      try {
        const nodes = await begin(JSON.parse(figure.dataset.digests));
        stage.replaceChildren(element("div", { className: "whole" }, ...nodes));
        stage.querySelector("button, [type=radio]").focus({ preventScroll: true });
      } catch (error) {
        told.textContent = `The demo does not run: ${error.message}.`;
        button.textContent = asked;
      }
    });
  }
}
