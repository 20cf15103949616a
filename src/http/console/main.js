// The console: which page is shown, and the keys that work on each.

import { channelView } from "./channel.js";
import { channelsView } from "./channels.js";
import { help } from "./dialogs.js";
import { el } from "./dom.js";
import { listenerView } from "./listener.js";
import { watchServer } from "./server.js";

const PLACES = [
  { path: /^$/, view: channelsView },
  { path: /^channels\/([^/]+)$/, view: channelView },
  { path: /^channels\/([^/]+)\/listeners\/([^/]+)$/, view: listenerView },
];

const main = document.getElementById("main");
let shown = { keys: {} };
let leaving = new AbortController();

function place() {
  const asked = location.hash.replace(/^#?\/?/, "");
  for (const { path, view } of PLACES) {
    const found = path.exec(asked);
    if (found) return { view, ids: found.slice(1).map(decoded) };
  }
  return { view: nowhere, ids: [] };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function nowhere() {
  const element = el("div", { class: "page-body" }, el("h1", {}, "Nothing is here"), el("a", { href: "#/" }, "All channels"));
  return { title: "Nothing is here", element, keys: {} };
}

function show() {
  leaving.abort();
  leaving = new AbortController();
  const { view, ids } = place();
  shown = view(...ids, leaving.signal);
  document.title = `${shown.title} · Eric`;
  main.replaceChildren(shown.element);
}

function turn() {
  show();
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

/** Letters are keys only where nobody writes. */
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = { "?": help, h: () => (location.hash = "#/"), ...shown.keys }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

addEventListener("hashchange", turn);
addEventListener("keydown", pressed);
document.getElementById("help").addEventListener("click", help);
document.getElementById("skip").addEventListener("click", () => main.focus());
watchServer(document.getElementById("server"), document.getElementById("away"), () => {});
show();
