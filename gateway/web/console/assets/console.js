"use strict";
// Every page works without this script. It keeps an impatient person from sending a form twice, and applies a filter as
// soon as it is chosen.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
    } else if (form.method === "post") {
      form.dataset.sent = "yes";
      form.setAttribute("aria-busy", "true");
    }
  });
}
// A page that the browser has kept is sent again like a new one.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
  }
});
for (const select of document.querySelectorAll("form.filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
