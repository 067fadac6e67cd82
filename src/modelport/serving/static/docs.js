"use strict";

// Shows the model's openapi.json with Swagger UI. The key, where the server wants one, is kept in this page only.
(function () {
  const source = new URL("../openapi.json", document.currentScript.src);
  const form = document.getElementById("key-form");
  const message = document.getElementById("message");

  async function show(key) {
    const headers = key ? { Authorization: "Bearer " + key } : {};
    // Not as it stands: the page's address may have a password in it, and nothing can be fetched from one that has.
    const answer = await fetch(source.origin + source.pathname, { headers: headers });
    form.hidden = answer.status !== 401;
    if (!answer.ok) {
      message.textContent = answer.status === 401 ? "" : source.pathname + " answered " + answer.status + ".";
      return;
    }
    message.textContent = "";
    const spec = await answer.json();
    document.title = spec.info.title;
    const ui = window.SwaggerUIBundle({
      spec: spec,
      dom_id: "#documentation",
      deepLinking: true,
      validatorUrl: null,
      onComplete: function () {
        if (key) {
          ui.preauthorizeApiKey("key", key);
        }
      },
    });
  }

  function report(error) {
    message.textContent = source.pathname + " cannot be read: " + error.message;
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    show(document.getElementById("key").value).catch(report);
  });
  show("").catch(report);
})();
