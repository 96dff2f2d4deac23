"use strict";
// Every page works without this script. It keeps an impatient person from sending a form twice, and shows the events
// of a live page.
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
// The browser comes back to a stream that was cut, with the id of its last event; after a refusal this script does.
const AGAIN = 10000; // milliseconds
function follow(part) {
  const note = document.querySelector("[data-cut]");
  const say = (text) => {
    note.textContent = text;
    note.hidden = !text;
  };
  const source = new EventSource(part.dataset.events);
  source.addEventListener("open", () => say(""));
  source.addEventListener("error", () => {
    say(note.dataset.cut);
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(follow, AGAIN, part);
    }
  });
  source.addEventListener("refused", (event) => say(event.data));
  source.addEventListener("ended", () => {
    source.close();
    location.reload();
  });
  source.addEventListener("message", (event) => {
    say("");
    renew(part, event.data);
  });
}
// A reader keeps the focus, also on one of several links to a page, and the place in a wide table.
function renew(part, html) {
  const name = (each) => `${each.tagName} ${each.getAttribute("href") ?? each.getAttribute("aria-label")}`;
  const focused = document.activeElement;
  const named = () => [...part.querySelectorAll("a, [tabindex]")].filter((each) => name(each) === name(focused));
  const place = named().indexOf(focused);
  const places = [...part.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
  part.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  part.querySelectorAll(".scroll").forEach((each, index) => (each.scrollLeft = places[index] ?? 0));
  if (place >= 0) {
    const found = named();
    (found[place] ?? found.at(-1))?.focus({ preventScroll: true });
  }
}
for (const part of document.querySelectorAll("[data-events]")) {
  follow(part);
}
