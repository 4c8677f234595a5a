// Before anything is painted: the colours that were chosen, else the system's; paper is light.
// Without JavaScript pages are light.
(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var paper = window.matchMedia("print");
  var root = document.documentElement;
  function chosen() {
    try { return localStorage.getItem("theme") || ""; } catch (refused) { return ""; }
  }
  function apply() {
    var is = chosen() || (dark.matches ? "dark" : "light");
    root.setAttribute("data-bs-theme", is === "dark" && !paper.matches ? "dark" : "light");
  }
  root.classList.add("js");
  dark.addEventListener("change", apply);
  paper.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  window.clnTheme = { chosen: chosen, choose: function (theme) {
    try { localStorage.setItem("theme", theme); } catch (refused) { /* stays the system's */ }
    apply();
  } };
  apply();
})();
