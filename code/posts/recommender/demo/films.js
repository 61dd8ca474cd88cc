// Films that the reader clicks, and what the counting model would show next: the arithmetic of counting.py and
// rerank.py on the matrix that this page loads. Nothing leaves the page.

const SHOWN = 10; // films of a list
const OFFERED = 24; // films to click on
const CANDIDATES = 150; // that diversity chooses among

const element = (tag, properties = {}, ...children) => {
  const { aria = {}, ...own } = properties;
  const made = Object.assign(document.createElement(tag), own);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children);
  return made;
};

/** Scores by film from a history, newest first, each with the share of every film that it comes from. */
export function score({ near, ratings }, history, { decay, popularity }) {
  const found = new Map();
  history.forEach((taken, age) => {
    const pairs = near[taken];
    for (let n = 0; n < pairs.length; n += 2) {
      if (history.includes(pairs[n])) continue;
      const entry = found.get(pairs[n]) ?? { film: pairs[n], score: 0, from: [] };
      const part = decay ** age * pairs[n + 1] * (1 + ratings[pairs[n]]) ** popularity;
      entry.score += part;
      entry.from.push({ taken, part });
      found.set(pairs[n], entry);
    }
  });
  return [...found.values()].sort((a, b) => b.score - a.score || a.film - b.film);
}

/** Cosine of two films' genres, each film's genres weighing the same. */
export function alike(genres, a, b) {
  const shared = genres[a].filter((name) => genres[b].includes(name)).length;
  return shared / Math.sqrt(genres[a].length * genres[b].length);
}

/** Maximal marginal relevance: each next film is the best by score less its largest likeness to those listed. */
export function diversify(candidates, genres, count, trade) {
  const left = candidates.slice(0, CANDIDATES), listed = [];
  const most = left[0]?.score ?? 0, least = left.at(-1)?.score ?? 0;
  const scaled = ({ score: value }) => (most > least ? (value - least) / (most - least) : 0);
  const value = (one) => (1 - trade) * scaled(one) -
    trade * Math.max(0, ...listed.map((other) => alike(genres, one.film, other.film)));
  while (left.length && listed.length < count) {
    const best = left.reduce((a, b) => (value(b) > value(a) ? b : a));
    listed.push(...left.splice(left.indexOf(best), 1));
  }
  return listed;
}

/** Why a film is listed: the films of the history that speak for it most, with their shares. */
export function why({ films }, { score: total, from }) {
  const strongest = [...from].sort((a, b) => b.part - a.part).slice(0, 2);
  return strongest.map(({ taken, part }) => `${films[taken]}: ${Math.round((100 * part) / total)} %`).join(", ");
}

function slider(text, properties, changed) {
  const input = element("input", { type: "range", ...properties });
  input.addEventListener("input", changed);
  return { input, label: element("label", {}, element("span", { textContent: text }), input) };
}

function start(stage, data, digest) {
  const history = [], list = element("ol", { className: "shown" });
  const said = element("p", { role: "status" });
  const taken = element("ul", { className: "taken", aria: { label: "Your films, newest first" } });
  const settings = () => ({ decay: Number(recency.input.value), popularity: Number(popular.input.value) });
  const draw = () => {
    const listed = diversify(score(data, history, settings()), data.genres, SHOWN, Number(diverse.input.value));
    list.replaceChildren(...listed.map((one) => element("li", {},
      element("b", { textContent: data.films[one.film] }),
      element("span", { className: "hint", textContent: ` because of ${why(data, one)}` }))));
    taken.replaceChildren(...history.map((film) => {
      const button = element("button", { type: "button", textContent: data.films[film] });
      button.setAttribute("aria-label", `Take out ${data.films[film]}`);
      button.addEventListener("click", () => { history.splice(history.indexOf(film), 1); draw(); });
      return element("li", {}, button);
    }));
    said.textContent = history.length ? `${listed.length} films for a history of ${history.length}.`
      : "Choose a film: a list follows at once.";
    offer();
  };
  const order = data.ratings.map((_, film) => film).sort((a, b) => data.ratings[b] - data.ratings[a] || a - b);
  const offered = element("div", { className: "controls", role: "group", aria: { label: "Films to choose" } });
  const search = element("input", { type: "search", placeholder: "Search films", aria: { label: "Search films" } });
  const offer = () => {
    const asked = search.value.trim().toLowerCase();
    const films = order.filter((film) => !history.includes(film) && data.films[film].toLowerCase().includes(asked));
    offered.replaceChildren(...films.slice(0, OFFERED).map((film) => {
      const button = element("button", { type: "button", textContent: data.films[film] });
      button.addEventListener("click", () => { history.unshift(film); draw(); search.focus(); });
      return button;
    }));
  };
  search.addEventListener("input", offer);
  const diverse = slider("diversity", { min: 0, max: 0.9, step: 0.1, value: 0 }, draw);
  const popular = slider("less or more popular", { min: -0.5, max: 0.5, step: 0.1, value: 0 }, draw);
  const recency = slider("weight of older films", { min: 0.1, max: 1, step: 0.1, value: 0.9 }, draw);
  const sliders = element("div", { className: "controls" }, diverse.label, popular.label, recency.label);
  stage.replaceChildren(search, offered, taken, sliders, said, list, element("p", { className: "artefacts" },
    "films.json ", element("code", { textContent: digest.slice(0, 12), title: digest }), ": as recorded in the ledger."));
  draw();
  search.focus({ preventScroll: true });
}

/** The file, if it is the recorded one. Browsers compute digests on secure connections only. */
async function load(digest) {
  const answer = await fetch(new URL("films.json", import.meta.url));
  if (!answer.ok) throw new Error(`films.json: ${answer.status}`);
  const content = await answer.arrayBuffer();
  if (globalThis.crypto?.subtle) {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const found = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    if (found !== digest) throw new Error("films.json is not the recorded file");
  }
  return JSON.parse(new TextDecoder().decode(content));
}

if (globalThis.document) {
  for (const figure of document.querySelectorAll('[data-demo="films"]')) {
    const [stage, button, told] = [".stage", ".start", ".told"].map((name) => figure.querySelector(name));
    const digest = JSON.parse(figure.dataset.digests)["demo/films.json"], asked = button.textContent;
    button.addEventListener("click", async () => {
      button.disabled = true;
      button.textContent = "Loading…";
      try {
        start(stage, await load(digest), digest);
      } catch (error) {
        told.textContent = `The demo does not run: ${error.message}.`;
        button.textContent = asked;
        button.disabled = false;
      }
    });
  }
}
