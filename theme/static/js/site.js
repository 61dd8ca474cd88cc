// What JavaScript adds to pages that work without it: the scheme's button, contents that follow the reader,
// copying code, provenance on hover where the browser has no word for that yet, and search.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const root = new URL("../../", import.meta.url);

function schemes() {
  const button = document.getElementById("scheme-button");
  const names = ["auto", "light", "dark"];
  const show = () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    button.textContent = now[0].toUpperCase() + now.slice(1);
    button.setAttribute("aria-label", `Colour scheme: ${now}`);
  };
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? "auto";
    const next = names[(names.indexOf(now) + 1) % names.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try { localStorage.setItem("scheme", next); } catch { /* the choice then lasts for this page */ }
    show();
  });
  show();
}

function follow(contents) {
  const links = new Map(all("a", contents).map((link) => [decodeURIComponent(link.hash.slice(1)), link]));
  const headings = all(".body h2[id]").filter((heading) => links.has(heading.id));
  let current;
  const mark = () => {
    const passed = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight * 0.3);
    const link = links.get((passed.at(-1) ?? headings[0])?.id);
    if (link === current) return;
    current?.removeAttribute("aria-current");
    link?.setAttribute("aria-current", "location");
    if (contents.scrollHeight > contents.clientHeight) link?.scrollIntoView({ block: "nearest" });
    current = link;
  };
  const button = document.querySelector(".contents-button");
  let asked = false, before = scrollY;
  const hide = () => { // what lies over the text goes while it is being read, and comes back with a look back
    if (Math.abs(scrollY - before) < 8) return;
    button.classList.toggle("away", scrollY > before && !contents.matches(":popover-open"));
    before = scrollY;
  };
  addEventListener("scroll", () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; mark(); hide(); });
  }, { passive: true });
  mark();
  contents.addEventListener("click", (event) => { if (event.target.closest("a") && contents.matches(":popover-open")) contents.hidePopover(); });
}

function copying() {
  for (const excerpt of all("figure.excerpt, .cite")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(excerpt.querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    (excerpt.querySelector(".symbol") ?? excerpt.querySelector("h2, summary")).append(button);
  }
}

/** Browsers that know `interestfor` open provenance on hover and focus by themselves. */
function hovering() {
  if ("interestForElement" in HTMLButtonElement.prototype) return;
  for (const button of all("[interestfor]")) {
    const shown = document.getElementById(button.getAttribute("interestfor"));
    let timer;
    const later = (action, wait) => { clearTimeout(timer); timer = setTimeout(action, wait); };
    const open = () => later(() => shown.matches(":popover-open") || shown.showPopover({ source: button }), 250);
    const close = () => later(() => shown.matches(":popover-open") && shown.hidePopover(), 200);
    for (const element of [button, shown]) {
      element.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") open(); });
      element.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") close(); });
    }
  }
}

function searching() {
  const button = document.getElementById("search-button");
  const open = async () => (await import("./search.js")).open(root);
  button.addEventListener("click", open);
  addEventListener("keydown", (event) => {
    const writing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    open();
  });
}

schemes();
copying();
hovering();
searching();
const contents = document.getElementById("contents");
if (contents) follow(contents);
