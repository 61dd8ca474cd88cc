// The chosen colour scheme, before anything is painted. Loaded in the head, so it is only this.
(() => {
  const kept = (() => { try { return localStorage.getItem("scheme"); } catch { return null; } })();
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
