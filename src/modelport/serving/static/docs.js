"use strict";

// Shows /openapi.json with Swagger UI. The key, where the server wants one, is kept in this page only.
(function () {
  const form = document.getElementById("key-form");
  const message = document.getElementById("message");

  async function show(key) {
    const headers = key ? { Authorization: "Bearer " + key } : {};
    const answer = await fetch("/openapi.json", { headers: headers });
    form.hidden = answer.status !== 401;
    if (!answer.ok) {
      message.textContent = answer.status === 401 ? "" : "/openapi.json answered " + answer.status + ".";
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
    message.textContent = "/openapi.json cannot be read: " + error.message;
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    show(document.getElementById("key").value).catch(report);
  });
  show("").catch(report);
})();
