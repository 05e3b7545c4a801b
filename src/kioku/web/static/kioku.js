// Live updates, and clocks that tick. Without this file every figure is there, as of when the page was opened.
"use strict";

const SOON = 1000; // ms between two looks at the same page

function main() {
  return document.getElementById("main");
}

// Fetch this page anew and put its figures in the place of the old ones, without moving what the person looks at.
async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  if (!fresh) return;
  const focused = document.activeElement && main().contains(document.activeElement) ? place(document.activeElement) : null;
  main().replaceChildren(...fresh.childNodes);
  if (focused) main().querySelectorAll(focused.kind)[focused.number]?.focus({ preventScroll: true });
}

function place(element) {
  const kind = element.tagName.toLowerCase();
  return { kind, number: [...main().querySelectorAll(kind)].indexOf(element) };
}

function isTyping() {
  const element = document.activeElement;
  return element instanceof HTMLInputElement && main().contains(element);
}

let due = null;
let missed = false;

function told() {
  if (document.hidden || isTyping()) {
    missed = true;
  } else if (due === null) {
    due = setTimeout(() => { due = null; missed = false; refresh().catch(() => {}); }, SOON / 4);
  }
}

function duration(ms) {
  const seconds = Math.floor(ms / 1000), minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min`;
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

function tick() {
  for (const clock of document.querySelectorAll("[data-since]")) {
    clock.textContent = duration(Date.now() - Number(clock.dataset.since));
  }
}

if (main()?.hasAttribute("data-live")) {
  const project = location.pathname.split("/")[1];
  const news = new EventSource("/events");
  news.addEventListener("recorded", (event) => {
    if (!project || event.data === project) told();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && missed) told(); });
  document.addEventListener("focusout", () => { if (missed) told(); });
  setInterval(tick, 1000);
}

// Arrow keys move along the links of a picture; Tab goes past it once it has been left.
document.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const picture = event.target instanceof Element ? event.target.closest("svg") : null;
  if (!step || !picture) return;
  const links = [...picture.querySelectorAll("a")];
  const next = links[links.indexOf(event.target) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
});
