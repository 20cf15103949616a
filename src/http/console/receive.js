// To be a listener for a while: its stream, and for an explicit one what is said of each message.

import { el, say } from "./dom.js";
import { Outcome, action, form, labelled, text } from "./forms.js";
import { isExplicit } from "./listeners.js";
import { StreamPanel } from "./panel.js";
import { callForOne, listenerPath, randomId } from "./verbs.js";
import { duration, many } from "./words.js";

/** Fewer than the list holds: what is to be acknowledged stays in it. */
const MOST_UNACKNOWLEDGED = 100;

/** What a listener's stream is known by as this tab's own, also after a reload: it may come back while its old one is not known to be dead. */
function session() {
  const known = sessionStorage.getItem("session") ?? `console-${randomId().slice(0, 8)}`;
  sessionStorage.setItem("session", known);
  return known;
}

export function receivePart(channelId, listenerId, changed, signal) {
  const hint = el("p", { class: "hint" });
  const all = new Outcome();
  /** What was delivered and is not acknowledged, by sequence. */
  const open = new Map();
  /** Gaps that were shown, by what they cover: they are repeated until that is said. */
  const gaps = new Map();
  /** The channel and the listener as they stand, and what the stream began with. */
  const known = { channel: null, listener: null, started: null, incarnation: "" };
  const facts = () => ({
    channel: channelId,
    listener: listenerId,
    birth: known.started.birth,
    incarnation: known.incarnation,
  });
  const panel = new StreamPanel(
    "Received",
    `${listenerPath(channelId, listenerId)}/events`,
    {
      start: "Listen here",
      empty: "Nothing has come yet.",
      parameters: () => parameters(known.listener),
      opened: ({ started, incarnation }) => {
        Object.assign(known, { started: started[0], incarnation });
        gaps.clear();
      },
      gap: ({ afterSequence, throughSequence }) => gaps.set(`${afterSequence}..${throughSequence}`, { afterSequence, throughSequence }),
      actions: (told) => (known.listener && isExplicit(known.listener) ? openRow(told) : []),
      changed,
    },
    signal,
  );

  /** What comes again stands where it comes again, and only there: behind what came before it. */
  function openRow(told) {
    open.get(told.sequence)?.row()?.remove();
    open.delete(told.sequence);
    const verdict = new Verdict(told, facts, () => known.channel, settled);
    open.set(told.sequence, verdict);
    return verdict.parts;
  }

  /** It may have come again before the answer did. */
  function settled(verdict) {
    const { sequence } = verdict.told;
    if (open.get(sequence) === verdict) open.delete(sequence);
    changed();
  }

  const acknowledgeAll = action("Acknowledge all", all, async () => {
    const verdicts = [...open.values()];
    const seen = [...gaps.entries()];
    if (verdicts.length === 0 && seen.length === 0) return "Nothing is to be acknowledged.";
    const { covered, isCovered } = together(verdicts.map(({ told }) => told), isOvertaking(known.channel));
    const { acknowledged } = await callForOne("v1/acknowledge", { items: [{ ...facts(), ...covered, gaps: seen.map(([, gap]) => gap) }] });
    seen.forEach(([range]) => gaps.delete(range));
    for (const verdict of verdicts.filter(({ told }) => isCovered(told))) {
      verdict.close("acknowledged");
      if (open.get(verdict.told.sequence) === verdict) open.delete(verdict.told.sequence);
    }
    changed();
    if (verdicts.length === 0) return `${many(seen.length, "gap is", "gaps are")} told no more.`;
    return `${many(acknowledged.coveredMessages, "message was", "messages were")} acknowledged.`;
  });
  acknowledgeAll.hidden = true;
  panel.bar.append(acknowledgeAll);
  const element = el("section", {}, el("h2", {}, "Receive here"), hint, panel.element, all.element);
  const show = (channel, listener) => {
    Object.assign(known, { channel, listener });
    acknowledgeAll.hidden = !isExplicit(listener);
    say(hint, isExplicit(listener) ? HINT_EXPLICIT : HINT_AUTOMATIC);
  };
  return { element, panel, show };
}

const HINT_AUTOMATIC =
  "This page becomes the listener for as long as it listens: what is shown here is delivered, and no longer waits. A client that has its stream keeps it.";
const HINT_EXPLICIT =
  "This page becomes the listener for as long as it listens. Each message waits for your word: acknowledge it, or reject it, and it comes again or goes to the dead letters. A client that has its stream keeps it.";

function parameters(listener) {
  const asked = { session: session(), take_over: "never" };
  return listener && isExplicit(listener) ? { ...asked, max_unacknowledged: MOST_UNACKNOWLEDGED } : asked;
}

const isOvertaking = (channel) => channel.settings.redelivery === "REDELIVERY_OVERTAKING";

/**
 * Covers all that came, in the order in which it came, up to the last. What is of an older generation and lies above has yet to
 * come again; what overtakes comes again alone, and is named.
 */
function together(deliveries, overtaking) {
  if (deliveries.length === 0) return { covered: {}, isCovered: () => false };
  const { generation } = deliveries.at(-1);
  const current = deliveries.filter((told) => told.generation === generation);
  const through = current.map((told) => BigInt(told.sequence)).reduce((most, it) => (it > most ? it : most));
  const again = overtaking ? current.filter(({ attempt }) => attempt > 1) : [];
  const attempts = again.map(({ sequence, attempt }) => ({ sequence, attempt }));
  const isCovered = (told) => told.generation === generation || (!overtaking && BigInt(told.sequence) <= through);
  return { covered: { generation, throughSequence: String(through), attempts }, isCovered };
}

/** What is said of one delivery. */
class Verdict {
  told;
  parts;
  #facts;
  #channel;
  #settled;
  #outcome = new Outcome();

  constructor(told, facts, channel, settled) {
    Object.assign(this, { told });
    this.#facts = facts;
    this.#channel = channel;
    this.#settled = settled;
    const acknowledge = action("Acknowledge", this.#outcome, () => this.#acknowledge());
    const reject = el("button", { type: "button", "aria-expanded": "false", onclick: () => this.#ask(reject) }, "Reject…");
    this.parts = [acknowledge, reject, this.#outcome.element];
  }

  row() {
    return this.#outcome.element.closest("li");
  }

  /** It has been dealt with. */
  close(word) {
    const row = this.row();
    // it came again meanwhile, and stands there
    if (!row) return;
    const held = row.contains(document.activeElement);
    this.parts.forEach((part) => part.remove());
    row.querySelector("form")?.remove();
    row.classList.add("settled");
    const line = row.querySelector(".line");
    line.append(el("span", { class: "tag" }, word));
    if (held) line.focus();
  }

  async #acknowledge() {
    await callForOne("v1/acknowledge", { items: [{ ...this.#facts(), ...this.#covered() }] });
    this.close("acknowledged");
    this.#settled(this);
    return null;
  }

  /** Where others may overtake, what came again alone is acknowledged by its attempt. */
  #covered() {
    const { sequence, attempt, generation } = this.told;
    if (!isOvertaking(this.#channel())) return { generation, sequences: [sequence] };
    return attempt > 1 ? { attempts: [{ sequence, attempt }] } : { sequences: [sequence] };
  }

  #ask(button) {
    const there = this.row().querySelector("form");
    button.setAttribute("aria-expanded", !there);
    if (there) return there.remove();
    const reason = text();
    const delay = text({ inputmode: "decimal", placeholder: "the channel’s" });
    const final = el("input", { type: "checkbox" });
    const hint = "It does not come again, and goes to the dead letters, or is dropped where there is no listener for them.";
    const parts = [
      labelled("Reason, for people", reason),
      labelled("Comes again after, in seconds", delay, { field: "delay" }),
      labelled("For good", final, { hint }),
    ];
    const asked = form("Reject", "Reject", parts, () => this.#reject(reason.value, delay.value.trim(), final.checked));
    this.row().append(asked);
    reason.focus();
  }

  async #reject(reason, delay, final) {
    const { sequence, generation, attempt } = this.told;
    const item = { ...this.#facts(), sequence, generation, attempt, reason, final, ...(delay && { delay: `${delay}s` }) };
    const { rejected } = await callForOne("v1/reject", { items: [item] });
    this.close(became(rejected));
    this.#settled(this);
    return null;
  }
}

function became({ attempts, deadLetterSequence, dropped, delay }) {
  if (Number(deadLetterSequence) > 0) return `rejected: dead letter ${deadLetterSequence}`;
  if (dropped) return "rejected, and dropped";
  return `rejected (${attempts}), comes again ${!delay || delay === "0s" ? "at once" : `after ${duration(delay)}`}`;
}
