// All channels: the first page.

import { Rows, el, say } from "./dom.js";
import { form, labelled, problemElement, text } from "./forms.js";
import { Pager } from "./pager.js";
import { Poll } from "./poll.js";
import { Book, Rate, Spark } from "./rates.js";
import { call, channelLink, channelPath } from "./verbs.js";
import { count, rate, size } from "./words.js";

const PAGE_SIZE = 50;
const PAUSE_MS = 1000;

/** How much channels take in, by their ids: kept while other pages are looked at. */
export const incoming = new Book(() => new Rate());

export function channelsView(signal) {
  const list = channelList();
  const empty = emptyState();
  const trouble = el("div");
  const pager = new Pager(PAGE_SIZE, () => poll.now());
  const create = createForm();
  const seek = seekForm();
  const poll = new Poll(signal, PAUSE_MS, async () => {
    const { query } = pager;
    const page = await call("GET", `v1/channels?${query}`, undefined, signal).catch((problem) => {
      if (!signal.aborted && problem.reason !== "NO_ANSWER") trouble.replaceChildren(problemElement(problem));
      throw problem;
    });
    trouble.replaceChildren();
    // turned meanwhile: the page that is wanted is asked for at once
    if (pager.query !== query) return;
    pager.took(page.nextPageToken);
    const none = page.channels.length === 0 && pager.first;
    empty.hidden = !none;
    list.element.hidden = none;
    list.show(page.channels);
  });
  const element = el(
    "div",
    { class: "page-body" },
    el("h1", {}, "Channels"),
    el("p", { class: "lead" }, "A channel is a named place to send to. Each of its listeners has a queue of its own, which waits while the listener is away."),
    el("div", { class: "bar" }, create.element, seek.element),
    trouble,
    empty,
    list.element,
    pager.element,
  );
  return { title: "Channels", element, keys: { n: create.focus, "/": seek.focus } };
}

function emptyState() {
  return el(
    "section",
    { class: "empty narrow", hidden: true },
    el("h2", {}, "There is no channel yet"),
    el("p", {}, "Create one above. Its page then shows what is sent to it, and lets you register listeners and send a first message."),
    el("p", { class: "hint" }, "From a command line: ", el("code", {}, "eric channel create prices")),
  );
}

function channelList() {
  const body = el("tbody");
  const element = el(
    "table",
    { class: "list narrow", hidden: true },
    el("caption", { class: "unseen" }, "Channels"),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        el("th", { scope: "col" }, "Channel"),
        el("th", { scope: "col", class: "number", colspan: 2 }, "Messages a second"),
        el("th", { scope: "col", class: "number" }, "Listeners"),
        el("th", { scope: "col", class: "number" }, "Open streams"),
        el("th", { scope: "col", class: "number" }, "Kept"),
      ),
    ),
    body,
  );
  const rows = new Rows(body, channelRow);
  return { element, show: (channels) => rows.show(channels, ({ id, birth }) => `${id} ${birth}`) };
}

/** Said beside the figures where there is no room for a head. */
const LABELS = [
  ["rate", "a second"],
  ["listeners", "listeners"],
  ["streams", "open streams"],
  ["kept", "kept"],
];

function channelRow({ id, birth }) {
  const series = incoming.of(`${id} ${birth}`);
  const spark = new Spark("messages a second");
  const cells = Object.fromEntries(LABELS.map(([name, label]) => [name, el("td", { class: "number", "data-label": label })]));
  const element = el(
    "tr",
    {},
    el("th", { scope: "row" }, el("a", { href: channelLink(id) }, id)),
    el("td", { class: "drawn" }, spark.element),
    cells.rate,
    cells.listeners,
    cells.streams,
    cells.kept,
  );
  const update = (channel) => {
    series.count(Number(channel.acceptedMessages));
    spark.draw(series);
    say(cells.rate, rate(series.last));
    say(cells.listeners, count(channel.listeners));
    say(cells.streams, count(channel.streams));
    say(cells.kept, size(channel.keptBroadcastBytes));
  };
  return { element, update };
}

function createForm() {
  const name = text({ placeholder: "prices" });
  const element = form(
    "Create a channel",
    "Create",
    [labelled("New channel", name, { field: "channel" })],
    async () => {
      const asked = name.value.trim() ? { channel: name.value.trim() } : {};
      const { channel } = await call("POST", "v1/channels", asked);
      location.hash = channelLink(channel.id);
    },
  );
  return { element, focus: () => name.focus() };
}

/** There may be thousands: whoever knows the name need not look through them. */
function seekForm() {
  const name = text();
  const element = form("Open a channel", "Open", [labelled("Open by name", name)], async () => {
    const id = name.value.trim();
    await call("GET", channelPath(id));
    location.hash = channelLink(id);
  });
  element.classList.add("second");
  return { element, focus: () => name.focus() };
}
