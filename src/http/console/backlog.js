// What waits for a listener, page by page, without taking it; dead letters can be sent back from here.

import { Rows, el, say, theirs } from "./dom.js";
import { Outcome, action } from "./forms.js";
import { Parts, cause } from "./message.js";
import { Pager } from "./pager.js";
import { Problem, call, listenerPath } from "./verbs.js";
import { many } from "./words.js";

const PAGE_SIZE = 10;

export function backlogPart(channel, listener, changed) {
  let seen = "";
  const look = () => ((seen = ""), changed());
  const pager = new Pager(PAGE_SIZE, look);
  const title = el("h2", {}, "Waiting");
  const hint = el("p", { class: "hint" });
  const empty = el("p", { class: "empty", hidden: true });
  const list = el("ol", { class: "events still", "aria-label": "What waits, the oldest first" });
  const rows = new Rows(list, waitingRow);
  const letters = requeueBar(channel, listener, list, look);
  const element = el("section", {}, title, hint, empty, list, letters.element, pager.element);

  /** Asks anew only where something has changed. */
  const show = async (told, isGrave, signal) => {
    const now = [told.birth, told.backlogMessages, told.passedSequence, told.unacknowledgedMessages, told.generation].join();
    say(title, isGrave ? "Dead letters" : "Waiting");
    say(hint, isGrave ? HINT_OF_LETTERS : HINT);
    if (now === seen) return;
    const { query } = pager;
    const page = await call("GET", `${listenerPath(channel, listener)}/messages?${query}`, undefined, signal);
    // turned meanwhile: the page that is wanted is asked for at once
    if (pager.query !== query) return;
    seen = now;
    pager.took(page.nextPageToken);
    rows.show(page.deliveries, ({ sequence }) => sequence);
    empty.hidden = page.deliveries.length > 0;
    list.hidden = page.deliveries.length === 0;
    say(empty, isGrave ? "No dead letter is here." : "Nothing waits.");
    letters.show(page.deliveries.some((delivery) => delivery.deadLetter));
  };
  return { element, show };
}

const HINT = "The backlog, the oldest first. To look takes nothing out of it.";
const HINT_OF_LETTERS =
  "Messages that a listener rejected for good, or too often. Read why, mend the cause, then send them back to the listeners they were meant for.";

function waitingRow(told) {
  const { deadLetter, sequence } = told;
  const parts = new Parts(told);
  const line = parts.line();
  const box = () => el("input", { type: "checkbox", value: sequence, "aria-label": `Choose ${sequence}` });
  const content = deadLetter ? [box(), line, letterWords(deadLetter)] : [line];
  const element = el("li", { class: "delivery", "data-sequence": sequence }, ...content);
  parts.opens(line, element);
  return { element, update: () => {} };
}

function letterWords(letter) {
  const words = el("p", { class: "letter" }, "from ", el("b", {}, letter.listener), ` after ${many(letter.attempts, "attempt")}, ${cause(letter)}`);
  if (letter.reason) words.append(": ", el("q", {}, theirs(letter.reason)));
  return words;
}

function requeueBar(channel, listener, list, changed) {
  const outcome = new Outcome();
  const boxes = () => [...list.querySelectorAll("input[type=checkbox]")];
  const send = async (chosen) => {
    if (chosen.length === 0) throw new Problem({ reason: "NOTHING_CHOSEN", detail: "Choose dead letters by their boxes first." });
    const path = `${listenerPath(channel, listener)}/requeue`;
    const { results } = await call("POST", path, { sequences: chosen.map((box) => box.value) });
    changed();
    const failed = results.filter((result) => result.error);
    if (failed.length > 0) throw partly(results.length - failed.length, failed);
    return `${many(results.length, "message waits", "messages wait")} for ${results.length === 1 ? "its listener" : "their listeners"} again.`;
  };
  const bar = el(
    "div",
    { class: "act", hidden: true },
    action("Send back the chosen", outcome, () => send(boxes().filter((box) => box.checked))),
    action("Send back all that are shown", outcome, () => send(boxes())),
  );
  return { element: el("div", {}, bar, outcome.element), show: (some) => (bar.hidden = !some) };
}

function partly(done, failed) {
  const first = Problem.ofStatus(failed[0].error);
  const rest = `${many(done, "message was", "messages were")} sent back, ${failed.length} stay here; the first: ${first.detail}`;
  return new Problem({ reason: first.reason, detail: rest });
}
