// What is asked before something goes for good, and the help.

import { el } from "./dom.js";

function show(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  // a click beside it
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.showModal();
}

/** Asks whether to go on, and tells whether to. */
export function sure(question, consequence, verb) {
  return new Promise((answer) => {
    const yes = el("button", { type: "button", class: "danger", onclick: () => close("yes") }, verb);
    const no = el("button", { type: "button", autofocus: true, onclick: () => close("") }, "Cancel");
    const dialog = el(
      "dialog",
      { "aria-labelledby": "question" },
      el("h2", { id: "question" }, question),
      el("p", {}, consequence),
      el("div", { class: "act" }, no, yes),
    );
    const close = (value) => dialog.close(value);
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"));
    show(dialog);
  });
}

const WORDS = [
  ["Channel", "A named place to send to. It keeps its messages in one order."],
  ["Listener", "A receiver in one channel, with a queue of its own that waits for it while it is away."],
  ["Broadcast", "A message to every listener of a channel, and to whoever watches."],
  ["Dispatch", "A message to one listener alone."],
  ["Backlog", "What waits for a listener. It is bounded: what happens when it is full is the channel’s setting."],
  ["Automatic, explicit", "An automatic listener is done with what was handed over. An explicit one acknowledges each message, or rejects it, and then it comes again."],
  ["Gap", "A place in a stream where messages are missing, with the reason. Nothing is lost silently."],
  ["Dead letter", "A message that was rejected for good, or too often. It waits in a listener of its own until somebody sends it back."],
  ["Sequence", "A message’s place in the server’s log: rising within a channel, not consecutive."],
  ["Kept", "Broadcasts that are kept for listeners that are behind, and a while longer for clients that come back."],
];

const KEYS = [
  ["?", "this help"],
  ["h", "all channels"],
  ["u", "one level up"],
  ["/", "go to a channel or a listener by its name"],
  ["n", "a new channel, or a new listener"],
  ["s", "send a message"],
  ["p", "pause a stream, or go on"],
  ["e", "to the events; arrow keys move, Enter opens"],
  ["Ctrl Enter", "send the form"],
];

/** Says what the words mean, and which keys do what. */
export function help() {
  if (document.querySelector("dialog[open]")) return;
  const close = el("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close");
  const words = WORDS.flatMap(([name, meaning]) => [el("dt", {}, name), el("dd", {}, meaning)]);
  const keys = KEYS.flatMap(([key, does]) => [el("dt", {}, ...caps(key)), el("dd", {}, does)]);
  const dialog = el(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    el("header", {}, el("h2", { id: "help-title" }, "Help"), close),
    el(
      "div",
      { class: "two" },
      el("section", {}, el("h3", {}, "What the words mean"), el("dl", { class: "words" }, ...words)),
      el("section", {}, el("h3", {}, "What the keys do"), el("dl", { class: "keys" }, ...keys)),
    ),
  );
  show(dialog);
}

function caps(keys) {
  return keys.split(" ").map((key) => el("kbd", {}, key));
}
