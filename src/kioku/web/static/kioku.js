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
  const open = [...main().querySelectorAll("details")].map((part) => part.open);
  const focused = document.activeElement && main().contains(document.activeElement) ? place(document.activeElement) : null;
  main().replaceChildren(...fresh.childNodes);
  main().querySelectorAll("details").forEach((part, number) => { if (number in open) part.open = open[number]; });
  if (focused) main().querySelectorAll(focused.kind)[focused.number]?.focus({ preventScroll: true });
}

function place(element) {
  const kind = element.tagName.toLowerCase();
  return { kind, number: [...main().querySelectorAll(kind)].indexOf(element) };
}

function isTyping() {
  return document.activeElement?.matches("#main :is(input, select)") ?? false;
}

let busy = false; // one look at a time: an old answer must not come after a newer one
let missed = false;

async function told() {
  missed = true;
  if (busy || document.hidden || isTyping()) return;
  busy = true;
  while (missed && !document.hidden && !isTyping()) {
    missed = false;
    await refresh().catch(() => {});
    await new Promise((done) => setTimeout(done, SOON));
  }
  busy = false;
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
  let news = null;
  // A page that nobody sees holds no connection: a browser has six for all of its tabs.
  const listen = () => {
    if (document.hidden) {
      news?.close();
      news = null;
    } else if (news === null) {
      news = new EventSource("/events");
      news.addEventListener("recorded", (event) => { if (!project || event.data === project) told(); });
    }
  };
  listen();
  document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden) told(); });
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
