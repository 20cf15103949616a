// A channel's settings in words, the one that is changed here, and what ends it.

import { sure } from "./dialogs.js";
import { el } from "./dom.js";
import { Outcome, action, form, labelled, text } from "./forms.js";
import { call, channelPath } from "./verbs.js";
import { duration, many, size } from "./words.js";

export function channelSettings(id, changed) {
  const list = el("dl", { class: "settings" });
  const letters = deadLetterForm(id, changed);
  const details = el("details", { class: "more" }, el("summary", {}, "All settings"), list);
  let before = "";
  const show = ({ settings }) => {
    const text = JSON.stringify(settings);
    if (text === before) return;
    before = text;
    letters.show(settings.deadLetterListener);
    list.replaceChildren(...rows(settings).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  };
  return { element: el("div", {}, letters.element, details), show };
}

function rows(settings) {
  const overflow = (value) => (value === "OVERFLOW_REJECT_NEW" ? "the new message is refused" : "the oldest are dropped, as a gap");
  const { initial, factor, maximum } = settings.backoff ?? {};
  return [
    ["A backlog holds", `${many(settings.maxBacklogMessages, "message")}, ${size(settings.maxBacklogBytes)}`],
    ["A dispatch to a full one", overflow(settings.dispatchOverflow)],
    ["A broadcast to a full one", overflow(settings.broadcastOverflow)],
    ["Kept for clients that come back", `${duration(settings.replayWindow)}, at most ${many(settings.maxReplayMessages, "message")}, ${size(settings.maxReplayBytes)}`],
    ["What is rejected", settings.redelivery === "REDELIVERY_OVERTAKING" ? "comes again alone, and others pass" : "comes again before all others"],
    ["It comes again after", `${duration(initial)}, each time ${factor} times longer, at most ${duration(maximum)}`],
    ["It is given up after", many(settings.maxAttempts, "attempt")],
    ["Ids are remembered for", duration(settings.idempotencyWindow)],
    ["Between deliveries", duration(settings.streamDelay)],
    ["Browsers come back after", duration(settings.sseRetry)],
    ["Away counts after", duration(settings.presenceGrace)],
  ];
}

function deadLetterForm(id, changed) {
  const name = text({ list: "known-listeners", placeholder: "nowhere" });
  const hint = "What was rejected for good, or too often, moves to this listener. Without one it is dropped.";
  const parts = [labelled("Dead letters go to", name, { hint, field: "settings.dead_letter_listener" })];
  const element = form("Name the dead letter listener", "Set", parts, async () => {
    const settings = { deadLetterListener: name.value.trim() };
    await call("PATCH", channelPath(id), { settings });
    changed();
    return settings.deadLetterListener ? `Dead letters go to ${settings.deadLetterListener}.` : "Dead letters are dropped.";
  });
  element.classList.add("second");
  const show = (listener) => document.activeElement !== name && (name.value = listener);
  return { element, show };
}

/** What ends a channel. */
export function dangerZone(id) {
  const outcome = new Outcome();
  const end = action("Say that no more will come", outcome, async () => {
    const { receipt } = await call("POST", `${channelPath(id)}/notify-end`, {});
    return `Told, as ${receipt.sequence}. Clients end by themselves.`;
  });
  const remove = action("Remove the channel…", outcome, () => removed(id), { class: "danger" });
  return el("div", { class: "act" }, end, remove, outcome.element);
}

async function removed(id) {
  const { channel } = await call("GET", channelPath(id));
  const gone = `${many(channel.listeners, "listener")} and what waits for them go with it, and ${many(channel.streams, "open stream")} will end. It cannot be undone.`;
  if (!(await sure(`Remove ${id}?`, gone, "Remove the channel"))) return null;
  await call("DELETE", channelPath(id));
  location.hash = "#/";
  return null;
}
