// Copy buttons. They appear only where they work; the text beside them can always be selected.
(function () {
  "use strict";

  function copied(button) {
    var was = button.textContent;
    button.textContent = "Copied";
    document.getElementById("said").textContent = "Copied to the clipboard";
    setTimeout(function () { button.textContent = was; }, 2000);
  }

  function copyTheOldWay(text) {
    var area = document.createElement("textarea");
    area.value = text;
    document.body.appendChild(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest(".js-copy");
    if (!button) return;
    var text = button.dataset.copy;
    // The clipboard interface exists on secure origins only.
    if (navigator.clipboard) {
      navigator.clipboard.writeText(text).then(
        function () { copied(button); },
        function () { copyTheOldWay(text); copied(button); }
      );
    } else {
      copyTheOldWay(text);
      copied(button);
    }
  });

  function show(root) {
    root.querySelectorAll(".js-copy[hidden]").forEach(function (button) { button.hidden = false; });
  }
  show(document);
  document.addEventListener("htmx:afterSwap", function (event) { show(event.target); });

  document.addEventListener("click", function (event) {
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
})();
