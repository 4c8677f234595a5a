// Before anything is painted: dark where the system is dark. Without JavaScript pages are light.
(function () {
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var root = document.documentElement;
  function apply() { root.setAttribute("data-bs-theme", dark.matches ? "dark" : "light"); }
  root.classList.add("js");
  dark.addEventListener("change", apply);
  apply();
})();
