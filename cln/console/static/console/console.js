// What pages gain where JavaScript runs. Without it each works as plain links and forms.
(function () {
  "use strict";

  function each(root, selector, does) { root.querySelectorAll(selector).forEach(does); }
  function say(words) { document.getElementById("said").textContent = words; }

  // -- copy buttons: they appear only where they work ------------------------------------------

  function copied(button) {
    if (!button.dataset.was) button.dataset.was = button.textContent;
    button.textContent = "Copied";
    say("Copied to the clipboard");
    setTimeout(function () { button.textContent = button.dataset.was; say(""); }, 2000);
  }

  function copyTheOldWay(text) {
    var area = document.createElement("textarea");
    area.value = text;
    document.body.appendChild(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }

  function copy(button) {
    var text = button.dataset.copy;
    function old() { copyTheOldWay(text); copied(button); }
    // The clipboard interface exists on secure origins only.
    if (!navigator.clipboard) return old();
    navigator.clipboard.writeText(text).then(function () { copied(button); }, old);
  }

  // -- tables: tick all, count the ticked ------------------------------------------------------

  function count(form) {
    var picks = form.querySelectorAll("input[name=id]");
    var ticked = form.querySelectorAll("input[name=id]:checked").length;
    var all = form.querySelector("input[name=all]");
    var every = all && all.checked;
    var head = form.querySelector(".js-all");
    form.classList.toggle("has-ticked", ticked > 0 || !!every);
    if (head) {
      head.checked = every || (ticked > 0 && ticked === picks.length);
      head.indeterminate = !every && ticked > 0 && ticked < picks.length;
    }
    var words = form.querySelector(".bulk-count");
    if (words) words.textContent = every ? "" : ticked + " selected";
  }

  // -- dialogs: the page behind a link, shown over this one ------------------------------------

  var dialog = document.getElementById("dialog");

  function open(link, html) {
    var found = new DOMParser().parseFromString(html, "text/html").querySelector("[data-dialog-body]");
    if (!found) { location.href = link.href; return; }
    var body = document.importNode(found, true);
    each(body, "form", function (form) { if (!form.getAttribute("action")) form.action = link.href; });
    var title = body.querySelector("h1");
    if (title) title.id = "dialog-title";
    dialog.replaceChildren(body);
    show(dialog);
    if (window.htmx) window.htmx.process(dialog);
    dialog.showModal();
  }

  function fetchDialog(link) {
    fetch(link.href, { credentials: "same-origin" }).then(function (answer) {
      if (!answer.ok || answer.redirected) throw answer;
      return answer.text();
    }).then(function (html) { open(link, html); }, function () { location.href = link.href; });
  }

  function plain(event) {
    return !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  }

  document.addEventListener("click", function (event) {
    var target = event.target;
    var button = target.closest(".js-copy");
    if (button) return copy(button);
    var note = target.closest(".note .close");
    if (note) return note.parentElement.remove();
    var link = target.closest("a[data-dialog]");
    if (link && dialog && dialog.showModal && plain(event)) {
      event.preventDefault();
      return fetchDialog(link);
    }
    if (target.closest("dialog [data-cancel]") || target === dialog) {
      event.preventDefault();
      return dialog.close();
    }
    each(document, ".bar details[open]", function (menu) {
      if (!menu.contains(target)) menu.open = false;
    });
  });

  // -- keys: never while somebody types ---------------------------------------------------------

  var wentTo = 0;

  function shortcut(event) {
    var finder = document.getElementById("search");
    var chord = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
    if (!finder || dialog.open || event.altKey || ((event.ctrlKey || event.metaKey) && !chord)) return;
    var types = event.target.closest && event.target.closest("input, textarea, select, [contenteditable]");
    if (chord || (!types && event.key === "/")) { event.preventDefault(); return finder.click(); }
    if (types) return;
    var chained = Date.now() - wentTo < 1500;
    wentTo = event.key === "g" ? Date.now() : 0;
    // The page names the ways itself: a role may not open every page.
    var way = chained && /^[a-z]$/.test(event.key) && finder.getAttribute("data-go-" + event.key);
    if (way) location.href = way;
  }

  document.addEventListener("keydown", function (event) {
    // A search field would keep the first Escape for itself, to empty it.
    if (event.key === "Escape" && dialog.open) { event.preventDefault(); return dialog.close(); }
    var menu = event.key === "Escape" && document.querySelector(".bar details[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
    shortcut(event);
  });

  document.addEventListener("change", function (event) {
    var input = event.target;
    if (input.name === "theme" && window.clnTheme) return window.clnTheme.choose(input.value);
    var form = input.closest(".bulk-form");
    if (!form) return;
    if (input.matches(".js-all")) {
      each(form, "input[name=id]", function (one) { one.checked = input.checked; });
    }
    count(form);
  });

  // -- messages leave after 8 seconds, unless somebody reads them; errors stay ------------------

  function fade(note) {
    if (note.classList.contains("error")) return;
    setTimeout(function leave() {
      if (note.matches(":hover, :focus-within")) return setTimeout(leave, 4000);
      note.remove();
    }, 8000);
  }

  function show(root) {
    each(root, ".js-copy[hidden], .js-only[hidden]", function (one) { one.hidden = false; });
    each(root, ".bulk-form", count);
    each(root, ".note:not(.shown)", function (one) { one.classList.add("shown"); fade(one); });
  }

  show(document);
  // On a phone the section's pages are a strip: the open one must be in sight.
  var here = document.querySelector(".side [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 12;
  each(document, "input[name=theme]", function (one) {
    one.checked = !!window.clnTheme && one.value === window.clnTheme.chosen();
  });
  // Also what a partial brings along out of its place, such as messages.
  document.addEventListener("htmx:afterSettle", function () { show(document); });
})();
