// Before anything is painted: that there are scripts, and the chosen colour scheme. Loaded in the head, so it is short.
(() => {
  document.documentElement.classList.add("scripted");
  const kept = (() => { try { return localStorage.getItem("scheme"); } catch { return null; } })();
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
