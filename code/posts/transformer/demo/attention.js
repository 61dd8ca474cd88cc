// The demo in the page: what each head of each layer looks at, in one sentence and its translation.

import { load, parse } from "./files.js";
import { AttentionMap, choice, choices, element, whenAsked } from "./map.js";

const KINDS = { // of attention: what it is called, and the tokens of its rows and columns
  encoder: ["encoder", "source", "source"],
  decoder: ["decoder", "written", "read"],
  cross: ["decoder to source", "written", "source"],
};

async function begin(digests) {
  const { text, translation, maps, scale, ...tokens } = parse(await load("attention.json", digests));
  const chosen = { kind: "encoder", layer: 0, head: 0 };
  const map = new AttentionMap("Attention", "looks at");
  const weight = (query, key) => maps[chosen.kind][chosen.layer][chosen.head][query][key] / scale;
  const show = () => map.show(...KINDS[chosen.kind].slice(1).map((side) => tokens[side]), weight);
  const changed = (one) => {
    Object.assign(chosen, one);
    if (one.kind) show();
    else map.paint(weight);
  };
  const kinds = choice("Attention", Object.entries(KINDS).map(([kind, [name]]) => [kind, name]), (kind) => changed({ kind }));
  const controls = element("div", { className: "choices" }, kinds, ...choices(maps.encoder.length, maps.encoder[0].length, changed));
  show();
  const note = "A row is a token that looks, a column a token that it looks at; a row of weights sums to one. In the " +
    "decoder, a row is the token being written. Arrow keys change layer and head.";
  return [element("p", { className: "pair" }, element("span", { lang: "en", textContent: text }), " ",
    element("span", { lang: "de", textContent: translation })), element("div", { className: "result" }, controls, map.node),
    element("p", { className: "hint", textContent: note })];
}

whenAsked("attention", begin);
