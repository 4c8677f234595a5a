// Asks the browser to make or to use a passkey, and sends its answer with the form around it.
(function () {
  "use strict";

  function bytes(text) {
    var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, function (letter) { return letter.charCodeAt(0); });
  }

  function text(buffer) {
    var raw = String.fromCharCode.apply(null, new Uint8Array(buffer));
    return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  // JSON has no bytes: what is bytes in the options travels as base64url.
  function options(form) {
    var given = JSON.parse(form.dataset.options);
    given.challenge = bytes(given.challenge);
    if (given.user) given.user.id = bytes(given.user.id);
    (given.excludeCredentials || []).concat(given.allowCredentials || []).forEach(function (one) {
      one.id = bytes(one.id);
    });
    return given;
  }

  function answer(credential) {
    var response = {};
    ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"].forEach(function (part) {
      if (credential.response[part]) response[part] = text(credential.response[part]);
    });
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response: response });
  }

  function words(error) {
    if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
    if (error.name === "NotAllowedError") return "It was not finished: cancelled, or too slow, or no device had a passkey for this.";
    return "The browser refused: " + error.message;
  }

  function ask(form) {
    var button = form.querySelector("button");
    var complaint = form.querySelector("[role=alert]");
    var does = form.dataset.passkey;
    complaint.textContent = "";
    button.disabled = true;
    navigator.credentials[does]({ publicKey: options(form) }).then(function (credential) {
      form.elements.credential.value = answer(credential);
      form.submit();
    }).catch(function (error) {
      button.disabled = false;
      complaint.textContent = words(error);
    });
  }

  document.querySelectorAll("form[data-passkey]").forEach(function (form) {
    if (!window.PublicKeyCredential || !navigator.credentials) {
      form.querySelector("[role=alert]").textContent = "This browser knows no passkeys.";
      form.querySelector("button").disabled = true;
      return;
    }
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      ask(form);
    });
  });
})();
