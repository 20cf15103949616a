// One channel: what comes in, who receives it, and the forms to take part.

import { incoming } from "./channels.js";
import { channelSettings, dangerZone } from "./channel-settings.js";
import { el, say } from "./dom.js";
import { form, labelled, problemElement, text } from "./forms.js";
import { listenersPart } from "./listeners.js";
import { StreamPanel } from "./panel.js";
import { Poll } from "./poll.js";
import { Spark } from "./rates.js";
import { sendForm } from "./send.js";
import { call, channelPath } from "./verbs.js";
import { count, many, rate, size } from "./words.js";

const PAUSE_MS = 1000;

export function channelView(id, signal) {
  const facts = channelFacts();
  const summary = el("p", { class: "lead" });
  const trouble = el("div");
  const listeners = listenersPart(id, () => poll.now());
  const send = sendForm(id, { sent: () => poll.now() });
  const live = livePart(id, signal);
  const settings = channelSettings(id, () => poll.now());
  const rest = [facts.element, columns(listeners, live, send, settings, dangerZone(id))];
  const poll = new Poll(signal, PAUSE_MS, async () => {
    const { query } = listeners.pager;
    const [{ channel }, page] = await Promise.all([
      call("GET", channelPath(id), undefined, signal),
      call("GET", `${channelPath(id)}/listeners?${query}`, undefined, signal),
    ]).catch((problem) => {
      if (!signal.aborted && problem.reason !== "NO_ANSWER") trouble.replaceChildren(problemElement(problem));
      throw problem;
    });
    trouble.replaceChildren();
    facts.show(channel);
    // turned meanwhile: the page that is wanted is asked for at once
    if (listeners.pager.query === query) listeners.show(channel, page);
    settings.show(channel);
    send.offer(page.listeners.map((listener) => listener.id));
    live.belongsTo(channel);
    say(summary, summarised(channel, page.listeners, incoming.of(`${id} ${channel.birth}`).last));
  });
  live.panel.begin();
  const crumbs = el("nav", { class: "crumbs", "aria-label": "Where you are" }, el("a", { href: "#/" }, "Channels"));
  const element = el("div", { class: "page-body" }, crumbs, el("h1", { class: "id" }, id), summary, trouble, ...rest);
  const keys = {
    u: () => (location.hash = "#/"),
    n: listeners.focus,
    "/": listeners.seek,
    s: send.focus,
    p: () => live.panel.toggle(),
    e: () => live.panel.list.focus(),
  };
  return { title: id, element, keys };
}

function columns(listeners, live, send, settings, danger) {
  return el(
    "div",
    { class: "columns" },
    el("div", { class: "wide" }, live.element, listeners.element),
    el(
      "aside",
      { class: "rail", "aria-label": "Take part" },
      part("Send", "A broadcast reaches every listener, a dispatch one alone.", send.element),
      part("Register a listener", "It is given a queue of its own. Messages wait there until it listens.", listeners.register),
      part("Settings", null, settings.element),
      part("End", null, danger),
    ),
  );
}

function part(title, hint, ...content) {
  return el("section", {}, el("h2", {}, title), hint ? el("p", { class: "hint" }, hint) : null, ...content);
}

/** What a channel is doing, in sentences. */
function summarised(channel, listeners, perSecond) {
  return [flow(channel, perSecond), audience(channel, listeners), losses(listeners)].filter(Boolean).join(" ");
}

function flow(channel, perSecond) {
  const accepted = Number(channel.acceptedMessages);
  if (accepted === 0) return "Nothing was sent here since the server’s start.";
  if (!perSecond) return `Nothing comes in right now; ${many(accepted, "message")} came since the server's start.`;
  return perSecond < 0.95 ? "Less than one message a second comes in." : `${rate(perSecond)} messages a second come in.`;
}

function audience(channel, listeners) {
  const all = Number(channel.listeners);
  if (all === 0) return "Nobody is registered, so a broadcast reaches only those who watch.";
  if (all > listeners.length) return `${count(all)} listeners are registered.`;
  const dead = channel.settings.deadLetterListener;
  const away = listeners.filter((listener) => !listener.connected && listener.id !== dead);
  const receivers = listeners.filter((listener) => listener.id !== dead);
  const sentences = receivers.length > 0 ? [attendance(receivers.length, away)] : [];
  const letters = listeners.find((listener) => listener.id === dead && Number(listener.backlogMessages) > 0);
  if (letters) sentences.push(`${many(letters.backlogMessages, "dead letter waits", "dead letters wait")} in ${dead}.`);
  return sentences.join(" ");
}

function attendance(all, away) {
  if (away.length === 0) return all === 1 ? "Its listener is connected." : `All ${all} listeners are connected.`;
  if (all === 1) return `Its listener, ${away[0].id}, is away, and ${waits(away)} for it.`;
  if (away.length === all) return `None of ${all} listeners is connected, and ${waits(away)} for them.`;
  const connected = `${all - away.length} of ${all} listeners ${all - away.length === 1 ? "is" : "are"} connected;`;
  if (away.length === 1) return `${connected} ${away[0].id} is away, and ${waits(away)} for it.`;
  return `${connected} ${away.length} are away, and ${waits(away)} for them.`;
}

function waits(listeners) {
  const messages = listeners.reduce((sum, listener) => sum + Number(listener.backlogMessages), 0);
  return messages === 0 ? "nothing waits" : many(messages, "message waits", "messages wait");
}

function losses(listeners) {
  const lost = listeners.filter((listener) => Number(listener.lostMessages) > 0);
  if (lost.length === 0) return "";
  const names = lost.length === 1 ? `${lost[0].id} has` : `${lost.length} listeners have`;
  return `${names} missed messages, each told as a gap in its stream.`;
}

function channelFacts() {
  const spark = new Spark("messages a second");
  const figure = (name) => el("dd", { "data-figure": name });
  const figures = { rate: figure("rate"), accepted: figure("accepted"), streams: figure("streams"), kept: figure("kept"), last: figure("last") };
  const fact = (words, ...shown) => el("div", {}, el("dt", {}, words), ...shown);
  const element = el(
    "dl",
    { class: "facts" },
    el("div", { class: "broad" }, el("dt", {}, "Messages a second"), figures.rate, el("dd", { class: "drawn" }, spark.element)),
    fact("Since the server’s start", figures.accepted),
    fact("Open streams", figures.streams),
    fact("Broadcasts kept", figures.kept),
    fact("Newest sequence", figures.last),
  );
  const show = (channel) => {
    const series = incoming.of(`${channel.id} ${channel.birth}`);
    series.count(Number(channel.acceptedMessages));
    spark.draw(series);
    say(figures.rate, rate(series.last));
    say(figures.accepted, count(channel.acceptedMessages));
    say(figures.streams, count(channel.streams));
    say(figures.kept, `${count(channel.keptBroadcasts)} · ${size(channel.keptBroadcastBytes)}`);
    say(figures.last, String(channel.lastSequence));
  };
  return { element, show };
}

const EMPTY = "Nothing has come yet. Send a broadcast, and it stands here.";

function livePart(id, signal) {
  const types = text({ placeholder: "all types" });
  const parameters = () => (types.value.trim() ? { types: types.value.trim() } : {});
  const panel = new StreamPanel("Broadcasts", `${channelPath(id)}/events`, { parameters, empty: EMPTY }, signal);
  panel.bar.append(
    el("button", { type: "button", onclick: () => (panel.list.clear(), panel.begin({ start_at: "oldest" })) }, "Show what is kept"),
  );
  const only = form("Select types", "Only these types", [labelled("Types", types)], async () => panel.goOn());
  only.classList.add("inline");
  panel.bar.append(only);
  // a channel that went and came again under its name is another: the stream says so by a gap
  let birth = "";
  const belongsTo = (channel) => {
    if (birth && birth !== channel.birth && panel.ended) panel.goOn();
    birth = channel.birth;
  };
  const hint = "Every broadcast as it is accepted, and gaps where some are missing. To watch leaves nothing behind. A dispatch is seen by its listener alone.";
  return { panel, belongsTo, element: part("Live", hint, panel.element) };
}
