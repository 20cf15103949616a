// One listener: what waits for it, dead letters to send back, and a way to be it for a while.

import { backlogPart } from "./backlog.js";
import { sure } from "./dialogs.js";
import { el, say } from "./dom.js";
import { Outcome, action, problemElement } from "./forms.js";
import { doing, isExplicit, seriesOf } from "./listeners.js";
import { Poll } from "./poll.js";
import { Spark } from "./rates.js";
import { receivePart } from "./receive.js";
import { sendForm } from "./send.js";
import { call, channelLink, channelPath, listenerPath } from "./verbs.js";
import { count, duration, many, size, time } from "./words.js";

const PAUSE_MS = 1000;

export function listenerView(channelId, id, signal) {
  const changed = () => poll.now();
  const facts = listenerFacts();
  const summary = el("p", { class: "lead" });
  const trouble = el("div");
  const backlog = backlogPart(channelId, id, changed);
  const receive = receivePart(channelId, id, changed, signal);
  const send = sendForm(channelId, { listener: id, sent: changed });
  const poll = new Poll(signal, PAUSE_MS, async () => {
    const [{ channel }, { listener }] = await Promise.all([
      call("GET", channelPath(channelId), undefined, signal),
      call("GET", listenerPath(channelId, id), undefined, signal),
    ]).catch((problem) => {
      if (!signal.aborted && problem.reason !== "NO_ANSWER") trouble.replaceChildren(problemElement(problem));
      throw problem;
    });
    trouble.replaceChildren();
    const isGrave = channel.settings.deadLetterListener === id;
    facts.show(listener);
    receive.show(channel, listener);
    say(summary, summarised(listener, isGrave));
    await backlog.show(listener, isGrave, signal);
  });
  const crumbs = el(
    "nav",
    { class: "crumbs", "aria-label": "Where you are" },
    el("a", { href: "#/" }, "Channels"),
    el("a", { href: channelLink(channelId) }, channelId),
  );
  const rail = el(
    "aside",
    { class: "rail", "aria-label": "Take part" },
    section("Send", "A dispatch to this listener alone.", send.element),
    section("Control", null, controls(channelId, id, changed)),
  );
  const columns = el("div", { class: "columns" }, el("div", { class: "wide" }, backlog.element, receive.element), rail);
  const element = el("div", { class: "page-body" }, crumbs, el("h1", { class: "id" }, id), summary, trouble, facts.element, columns);
  const keys = {
    u: () => (location.hash = channelLink(channelId)),
    s: send.focus,
    p: () => receive.panel.toggle(),
    e: () => receive.panel.list.focus(),
  };
  return { title: `${id} of ${channelId}`, element, keys };
}

function section(title, hint, ...content) {
  return el("section", {}, el("h2", {}, title), hint ? el("p", { class: "hint" }, hint) : null, ...content);
}

/** What a listener is doing, in sentences. */
function summarised(listener, isGrave) {
  const waits = many(listener.backlogMessages, isGrave ? "dead letter" : "message");
  if (isGrave) return `What listeners of this channel gave up is put here. ${waits} ${Number(listener.backlogMessages) === 1 ? "waits" : "wait"} for somebody to look.`;
  const waiting = Number(listener.backlogMessages) === 0 ? "nothing waits" : `${waits} ${Number(listener.backlogMessages) === 1 ? "waits" : "wait"}`;
  const state = listener.connected ? `It is listening${listener.session ? `, as “${listener.session}”` : ""}` : "It is away";
  const held = Number(listener.unacknowledgedMessages);
  const hand = isExplicit(listener) && held > 0 ? ` ${many(held, "of these is", "of these are")} delivered and not acknowledged.` : "";
  const lost = Number(listener.lostMessages) > 0 ? ` It has missed ${many(listener.lostMessages, "message")}, told as gaps.` : "";
  return `${state}, and ${waiting} for it.${hand}${lost}`;
}

function listenerFacts() {
  const spark = new Spark("messages");
  const figure = (name) => el("dd", { "data-figure": name });
  const names = ["waiting", "size", "state", "mode", "lost", "passed", "registered", "idle"];
  const figures = Object.fromEntries(names.map((name) => [name, figure(name)]));
  const fact = (words, ...shown) => el("div", {}, el("dt", {}, words), ...shown);
  const element = el(
    "dl",
    { class: "facts" },
    el("div", { class: "broad" }, el("dt", {}, "Waiting"), figures.waiting, el("dd", { class: "drawn" }, spark.element)),
    fact("Size", figures.size),
    fact("State", figures.state),
    fact("Acknowledgement", figures.mode),
    fact("Missed", figures.lost),
    fact("Done up to", figures.passed),
    fact("Registered", figures.registered),
    fact("Removed when idle for", figures.idle),
  );
  const show = (listener) => {
    const series = seriesOf(listener);
    series.push(Number(listener.backlogMessages));
    spark.draw(series);
    say(figures.waiting, count(listener.backlogMessages));
    say(figures.size, size(listener.backlogBytes));
    say(figures.state, doing(listener));
    say(figures.mode, isExplicit(listener) ? "explicit" : "automatic");
    say(figures.lost, count(listener.lostMessages));
    say(figures.passed, String(listener.passedSequence));
    say(figures.registered, time(listener.createTime));
    const idle = duration(listener.settings?.idleTimeout ?? "0s");
    say(figures.idle, idle === "none" ? "never" : idle);
  };
  return { element, show };
}

function controls(channel, id, changed) {
  const outcome = new Outcome();
  const path = listenerPath(channel, id);
  const stop = action("Stop", outcome, async () => {
    await call("POST", `${path}/stop`, {});
    changed();
    return "Stopped: its stream has ended, and its queue is kept.";
  });
  const purge = action("Purge…", outcome, () => purged(path, id, changed), { class: "danger" });
  const remove = action("Remove…", outcome, () => removed(path, id, channel), { class: "danger" });
  return el("div", { class: "act" }, stop, purge, remove, outcome.element);
}

async function purged(path, id, changed) {
  const { listener } = await call("GET", path);
  const gone = `${many(listener.backlogMessages, "message")} will be gone for good, told as a gap in its stream.`;
  if (!(await sure(`Purge the backlog of ${id}?`, gone, "Purge"))) return null;
  const { purgedMessages } = await call("POST", `${path}/purge`, {});
  changed();
  return `${many(purgedMessages, "message was", "messages were")} purged.`;
}

async function removed(path, id, channel) {
  const { listener } = await call("GET", path);
  const gone = `${many(listener.backlogMessages, "message")} that ${Number(listener.backlogMessages) === 1 ? "waits" : "wait"} for it will be gone for good, and its stream ends.`;
  if (!(await sure(`Remove ${id}?`, gone, "Remove the listener"))) return null;
  await call("DELETE", path);
  location.hash = channelLink(channel);
  return null;
}
