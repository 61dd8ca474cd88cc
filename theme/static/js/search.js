// Search in the page. The index was made when the site was built, and is read from the site itself, piece by piece.

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const SHORTEST = 3, SHOWN = 8, LOADED = 16; // letters of a word, and pages
const ALIKE = 0.4; // of a word's letters: “run” is found for “running”, and “how” is not for “howpublished”
let dialog, finder;

/** An excerpt as text with marks: whatever else stands in it stays text. */
function marked(excerpt) {
  const read = new DOMParser().parseFromString(excerpt, "text/html").body;
  return [...read.childNodes].map((node) => node.nodeName === "MARK" ? element("mark", { textContent: node.textContent }) : node.textContent);
}

function entry(found) {
  const parts = found.sub_results.filter((part) => part.url !== found.url).slice(0, 3);
  const link = (part, className) => element("a", { href: part.url, className, textContent: part.title ?? part.meta?.title });
  const shown = element("li", {}, link({ url: found.url, title: found.meta.title }, "title"), element("p", {}, ...marked(found.excerpt)));
  if (parts.length) shown.append(element("p", { className: "parts" }, ...parts.flatMap((part) => [link(part), " "])));
  return shown;
}

async function show(text, list, status) {
  const words = text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter((word) => word.length >= SHORTEST);
  const search = await finder.debouncedSearch(words.join(" "), {}, 120);
  if (search === null) return; // the reader has gone on typing
  const loaded = await Promise.all(search.results.slice(0, LOADED).map((result) => result.data()));
  const found = loaded.filter((page) => matches(page, words));
  list.replaceChildren(...found.slice(0, SHOWN).map(entry));
  const count = search.results.length > LOADED ? search.results.length : found.length;
  const asked = words.length ? count === 1 ? "1 page" : `${count} pages` : `Type ${SHORTEST} letters or more.`;
  status.textContent = text.trim() ? asked : "";
}

/** Where nothing has a word, Pagefind goes back to its first letters: a match of a few of them says nothing. */
function matches(page, words) {
  const parts = [page, ...page.sub_results].map((part) => new DOMParser().parseFromString(part.excerpt, "text/html"));
  const marks = parts.flatMap((part) => [...part.querySelectorAll("mark")].map((mark) => mark.textContent.toLowerCase()));
  return words.some((word) => [...marks, page.meta.title.toLowerCase()].some((mark) => mark.includes(word.slice(0, Math.max(SHORTEST, Math.ceil(word.length * ALIKE))))));
}

/** The index of a large site comes in parts. */
async function load(index) {
  finder = await import(new URL("pagefind.js", index));
  await finder.init();
  const parts = await (await fetch(new URL("parts.json", index))).json();
  await Promise.all(parts.map((part) => finder.mergeIndex(new URL(part, index).pathname)));
}

function build(root) {
  const input = element("input", { type: "text", inputMode: "search", placeholder: "Search", autocomplete: "off", spellcheck: false });
  input.setAttribute("role", "searchbox"); // of the type "search" it would take the first Escape for itself
  input.setAttribute("aria-label", "Search this site");
  const status = element("p", { className: "status" }), list = element("ol");
  status.setAttribute("role", "status");
  const close = element("button", { type: "button", className: "tool", textContent: "Close" });
  const made = element("dialog", { className: "search" }, element("div", { className: "line" }, input, close), status, list);
  made.setAttribute("aria-label", "Search");
  close.addEventListener("click", () => made.close());
  made.addEventListener("click", (event) => { if (event.target === made || event.target.closest("a")) made.close(); });
  input.addEventListener("input", () => show(input.value, list, status).catch(() => { status.textContent = "The index could not be read."; }));
  made.addEventListener("keydown", (event) => {
    const links = [input, ...list.querySelectorAll("a.title")], at = links.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || at < 0) return;
    event.preventDefault();
    links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
  });
  document.body.append(made);
  load(new URL("pagefind/", root))
    .then(() => { if (input.value) input.dispatchEvent(new Event("input")); })
    .catch(() => { status.textContent = "There is no search index here."; });
  return made;
}

export function open(root) {
  dialog ??= build(root);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("input").select();
}
