// A channel's listeners, page by page, and the form that registers one.

import { Rows, el, say } from "./dom.js";
import { choice, form, labelled, text } from "./forms.js";
import { Pager } from "./pager.js";
import { Book, Series, Spark } from "./rates.js";
import { call, channelPath, listenerLink, listenerPath } from "./verbs.js";
import { count } from "./words.js";

const PAGE_SIZE = 20;
const EXPLICIT = "ACKNOWLEDGEMENT_MODE_EXPLICIT";

/** What waits for listeners, by channel, id and birth. */
export const waiting = new Book(() => new Series());

export const seriesOf = ({ channel, id, birth }) => waiting.of(`${channel} ${id} ${birth}`);

export const isExplicit = (listener) => listener.acknowledgementMode === EXPLICIT;

/** What a listener is doing, in a word. */
export function doing(listener) {
  if (listener.connected) return "listening";
  return listener.running ? "running, without a stream" : "away";
}

export function listenersPart(channel, changed) {
  const pager = new Pager(PAGE_SIZE, changed);
  const table = listenerTable();
  const empty = el("p", { class: "empty", hidden: true }, "No listener is registered yet. Register one, and a queue begins to fill for it.");
  const seek = seekForm(channel);
  const register = registerForm(channel, changed);
  const element = el(
    "section",
    {},
    el("h2", {}, "Listeners"),
    el("p", { class: "hint" }, "Each has a queue of its own. What waits in it is its backlog; what it could not get is told to it as a gap."),
    empty,
    table.element,
    el("div", { class: "bar" }, pager.element, seek.element),
  );
  const show = (channelTold, page) => {
    pager.took(page.nextPageToken);
    const none = page.listeners.length === 0 && pager.first;
    empty.hidden = !none;
    table.element.hidden = none;
    seek.element.hidden = none;
    table.show(page.listeners, channelTold.settings.deadLetterListener);
  };
  return { element, register: register.element, pager, show, focus: register.focus, seek: seek.focus };
}

function listenerTable() {
  const body = el("tbody");
  const head = ["Listener", "State", "Waiting", "", "Unacknowledged", "Missed"];
  const titles = head.map((title, place) =>
    place === 3 ? null : el("th", { scope: "col", class: place > 1 && "number", colspan: place === 2 && 2 }, title),
  );
  const element = el(
    "table",
    { class: "list", hidden: true },
    el("caption", { class: "unseen" }, "Listeners"),
    el("thead", {}, el("tr", {}, ...titles)),
    body,
  );
  let dead = "";
  const rows = new Rows(body, (listener) => listenerRow(listener, () => dead));
  const show = (listeners, deadLetterListener) => {
    dead = deadLetterListener;
    rows.show(listeners, ({ id, birth }) => `${id} ${birth}`);
  };
  return { element, show };
}

/** Said beside the figures where there is no room for a head. */
const LABELS = [
  ["waiting", "waiting"],
  ["unacknowledged", "unacknowledged"],
  ["lost", "missed"],
];

function listenerRow({ channel, id, birth, acknowledgementMode }, dead) {
  const series = seriesOf({ channel, id, birth });
  const spark = new Spark("messages");
  const state = el("td", { class: "doing" });
  const cells = Object.fromEntries(LABELS.map(([name, label]) => [name, el("td", { class: "number", "data-label": label })]));
  const tag = el("span", { class: "tag" });
  const explicit = acknowledgementMode === EXPLICIT;
  const element = el(
    "tr",
    {},
    el("th", { scope: "row" }, el("a", { href: listenerLink(channel, id) }, id), " ", tag),
    state,
    el("td", { class: "drawn" }, spark.element),
    cells.waiting,
    cells.unacknowledged,
    cells.lost,
  );
  const update = (listener) => {
    series.push(Number(listener.backlogMessages));
    spark.draw(series);
    say(tag, listener.id === dead() ? "dead letters" : explicit ? "explicit" : "");
    say(state, doing(listener));
    state.dataset.doing = listener.connected ? "listening" : "away";
    say(cells.waiting, count(listener.backlogMessages));
    say(cells.unacknowledged, explicit ? count(listener.unacknowledgedMessages) : "–");
    cells.unacknowledged.toggleAttribute("data-none", !explicit);
    say(cells.lost, count(listener.lostMessages));
  };
  return { element, update };
}

function registerForm(channel, changed) {
  const name = text({ placeholder: "alice" });
  const mode = choice([
    ["ACKNOWLEDGEMENT_MODE_AUTOMATIC", "automatic: handed over is done"],
    [EXPLICIT, "explicit: kept until acknowledged"],
  ]);
  const start = choice([
    ["START_AT_NEW", "what comes from now on"],
    ["START_AT_OLDEST", "the oldest that is kept"],
  ]);
  const parts = [
    labelled("Listener", name, { field: "listener" }),
    labelled("Acknowledgement", mode, { hint: "It never changes.", field: "acknowledgement_mode" }),
    labelled("Begins with", start, { field: "start_at" }),
  ];
  const element = form("Register a listener", "Register", parts, async () => {
    const asked = { acknowledgementMode: mode.value, startAt: start.value };
    if (name.value.trim()) asked.listener = name.value.trim();
    const { listener } = await call("POST", `${channelPath(channel)}/listeners`, asked);
    name.value = "";
    changed();
    return ["Registered ", el("a", { href: listenerLink(channel, listener.id) }, listener.id), "."];
  });
  element.classList.add("second");
  return { element, focus: () => name.focus() };
}

function seekForm(channel) {
  const name = text();
  const element = form("Open a listener", "Open", [labelled("Open by name", name)], async () => {
    const id = name.value.trim();
    await call("GET", listenerPath(channel, id));
    location.hash = listenerLink(channel, id);
  });
  element.classList.add("inline");
  return { element, focus: () => name.focus() };
}
