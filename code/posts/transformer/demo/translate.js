// The demo in the page: an English image caption in German, and where each German token looked. The work is in worker.js.

import { AttentionMap, choices, element, whenAsked } from "./map.js";

const WHAT = "It has read the captions of photographs in Multi30k and nothing else: of another kind of sentence it makes a " +
  "caption, or nonsense. A word that it does not know is cut into pieces that it does; a character that it has never " +
  "seen becomes <unk>. A dot before a piece says that it goes on with a word.";

const PAUSE = 250; // milliseconds without a key before what stands there is translated
const FAILURE = { text: "A group of men are loading cotton onto a truck", told: "A failure: it takes the cotton for candyfloss." };

/** Asks the worker one thing after another. */
function asking(worker) {
  let last = Promise.resolve();
  const one = (ask, values) => new Promise((done, failed) => {
    worker.onmessage = ({ data }) => data.error ? failed(new Error(data.error)) : done(data);
    worker.onerror = ({ message }) => failed(new Error(message || "the worker does not start"));
    worker.postMessage({ ask, ...values });
  });
  return (ask, values) => {
    const answer = last.then(() => one(ask, values));
    last = answer.catch(() => {});
    return answer;
  };
}

/** Which files were loaded, by digest; `same` is where it will be said how the search here compares with PyTorch's. */
function artefacts({ files }, same) {
  const code = (digest) => element("code", { textContent: digest, title: "SHA-256" });
  if (!files[0].digest) {
    return element("div", { className: "artefacts" },
      element("p", {}, "Not compared with the ledger: browsers compute digests on secure connections only."), same);
  }
  return element("details", { className: "artefacts" },
    element("summary", {}, "weights ", code(files[0].digest.slice(0, 12)), ": matches the ledger"),
    element("ul", {}, ...files.map(({ name, digest }) => element("li", {}, `${name} `, code(digest)))), same);
}

/** Search what PyTorch searched: how often both find the same, and how far their scores are apart. */
async function compare({ examples }, ask, same) {
  let agreed = 0, apart = 0;
  for (const { text, written, score } of examples) {
    const found = await ask("translate", { text });
    if (found.tokens.join() !== written.join()) continue;
    agreed++;
    apart = Math.max(apart, Math.abs(found.score - score));
  }
  same.textContent = `Of ${examples.length} examples, ${agreed} are translated here as by PyTorch, token for token` +
    (agreed ? `; scores differ by ${apart.toPrecision(1)} at most.` : ".");
}

/** The weight from written token t to source token s, of one layer and head or the mean over all of either. */
function weightOf({ maps, source }, { layers, heads }, chosen) {
  const all = (count, one) => one === "mean" ? Array.from({ length: count }, (_, n) => n) : [one];
  const places = all(layers, chosen.layer).flatMap((layer) => all(heads, chosen.head).map((head) => layer * heads + head));
  return (t, s) => places.reduce((sum, place) => sum + maps[t][place * source.length + s], 0) / places.length;
}

async function begin(digests) {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" }), ask = asking(worker);
  const started = await ask("start", { digests }).catch((error) => {
    worker.terminate();
    throw error;
  });
  const { settings } = started, chosen = { layer: "mean", head: "mean" };
  const map = new AttentionMap("Where each German token looked in the English sentence", "looked at");
  const input = element("input", { type: "text", lang: "en", maxLength: settings.typed, required: true, autocomplete: "off" });
  const button = element("button", { type: "submit", textContent: "Translate" });
  const form = element("form", {}, element("label", {}, element("span", { textContent: "English caption" }), input), button);
  const written = element("output", { lang: "de", className: "written" });
  const score = element("p", { className: "hint" }), result = element("div", { className: "result", hidden: true });
  let found, wanted = "", busy = false, typing;

  const draw = (changed) => map.paint(weightOf(found, settings, Object.assign(chosen, changed)));
  function clear() {
    written.textContent = "";
    result.hidden = true;
  }
  function show() {
    const unsure = found.score < settings.unsure;
    written.textContent = found.translation || "(nothing)";
    written.classList.toggle("unsure", unsure);
    score.textContent = (unsure ? "Do not trust this one: hardly any caption of the validation set scores as low. " : "") +
      (input.value === FAILURE.text ? `${FAILURE.told} ` : "") +
      `Best of ${settings.beam} hypotheses: ${found.maps.length} tokens, score ` +
      `${found.score.toFixed(2).replace("-", "−")}, in ${found.milliseconds.toFixed(0)} ms. ` +
      (found.unknown ? `Characters that it has never seen: ${found.unknown}, each read as <unk>.` : "");
    map.show(found.written, found.source, weightOf(found, settings, chosen));
    result.hidden = false;
  }
  /** Translate what was asked for last, also where that was while another was under way; nothing empties the output. */
  async function translate(text) {
    clearTimeout(typing);
    wanted = text.trim() && text;
    if (!wanted) clear();
    if (busy || !wanted) return;
    busy = true;
    button.textContent = "Translating…";
    try {
      let newest = found;
      while (wanted) {
        const asked = wanted;
        wanted = "";
        newest = await ask("translate", { text: asked });
      }
      found = newest; // with what is shown of it: until now a choice of layer or head draws the one before
      if (input.value.trim()) show();
    } catch (error) {
      written.classList.remove("unsure");
      written.textContent = `Not translated: ${error.message}`;
      result.hidden = true;
    }
    button.textContent = "Translate";
    busy = false;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    translate(input.value);
  });
  input.addEventListener("input", () => {
    clearTimeout(typing);
    if (input.value.trim()) typing = setTimeout(() => translate(input.value), PAUSE);
    else translate("");
  });
  const best = [...settings.examples].sort((one, other) => other.score - one.score); // the demo opens with a good one
  const tries = best.map(({ text }) => {
    const example = element("button", { type: "button", textContent: text, lang: "en" });
    if (text === FAILURE.text) example.append(element("span", { className: "failure", lang: "en", textContent: " (a failure)" }));
    example.addEventListener("click", () => translate(input.value = text));
    return example;
  });
  const controls = element("div", { className: "choices" },
    ...choices(settings.layers, settings.heads, draw, ["mean", "mean"]));
  result.append(score, controls, map.node);
  await translate(input.value = best[0].text);
  const same = element("p", { textContent: "Comparing with PyTorch…" });
  compare(settings, ask, same).catch(({ message }) => { same.textContent = `Not compared with PyTorch: ${message}.`; });
  return [form, element("div", { className: "tries", role: "group", aria: { label: "Examples" } }, ...tries), written,
    result, element("p", { className: "hint", textContent: WHAT }), artefacts(started, same)];
}

whenAsked("translate", begin);
