// A message as people read it: one line, or all of it.

import { el, theirs } from "./dom.js";
import { content, contentKind, duration, fineTime, many, size, word } from "./words.js";

/** The page keeps so much of a content. */
const MOST_CONTENT = 64 * 1024;
const PREVIEW = 240;

/** What is kept of a delivery, to be read at once or later. */
export class Parts {
  #facts;
  #content;
  #cut;

  constructor(told) {
    const text = content(told.message);
    this.#cut = Math.max(0, text.length - MOST_CONTENT);
    this.#content = this.#cut > 0 ? copied(text.slice(0, MOST_CONTENT)) : text;
    this.#facts = facts(told);
    this.preview = this.#content.slice(0, PREVIEW).replace(/\s+/g, " ");
    this.type = told.message.type;
    this.sequence = told.sequence;
    this.acceptTime = told.acceptTime;
    this.attempt = Number(told.attempt ?? 1);
  }

  /** One line of it, which opens. */
  line(attributes = {}) {
    return el(
      "button",
      { type: "button", class: "line", "aria-expanded": "false", ...attributes },
      el("time", { datetime: this.acceptTime }, fineTime(this.acceptTime)),
      el("span", { class: "sequence" }, this.sequence),
      el("span", { class: "type" }, theirs(this.type)),
      el("span", { class: "preview" }, theirs(this.preview)),
      this.attempt > 1 ? el("span", { class: "tag" }, `attempt ${this.attempt}`) : null,
    );
  }

  /** Lets a line open and close all of it, in its row. */
  opens(line, row) {
    line.addEventListener("click", () => {
      const there = row.querySelector(".whole");
      line.setAttribute("aria-expanded", String(!there));
      if (there) there.remove();
      else row.append(this.whole());
    });
  }

  /** All of it. */
  whole() {
    const known = this.#facts.flatMap(([name, value]) => [el("dt", {}, theirs(name)), el("dd", {}, theirs(value))]);
    const whole = el("div", { class: "whole" }, el("dl", {}, ...known));
    if (this.#content) whole.append(el("pre", { tabindex: 0, "aria-label": "Content" }, theirs(this.#content)));
    if (this.#cut > 0) whole.append(el("p", { class: "hint" }, `${size(this.#cut)} more are not kept in this page.`));
    return whole;
  }
}

/** A part of a text holds all of it in memory; a copy does not. */
function copied(text) {
  return JSON.parse(JSON.stringify(text));
}

function facts({ message, acceptTime, kind, deadLetter, attempt }) {
  const told = [
    ["Id", message.id],
    ["Type", message.type],
    ["Sender", message.senderId],
    ["Accepted", `${fineTime(acceptTime)}, as a ${word(kind, "DELIVERY_KIND_")}`],
    ["Time to live", message.ttl && duration(message.ttl)],
    ["Attempt", Number(attempt ?? 1) > 1 && String(attempt)],
    ["Content", contentKind(message)],
    ...deadLetterFacts(deadLetter),
  ];
  const attributes = Object.entries(message.attributes ?? {}).map(([name, value]) => [`“${name}”`, value]);
  return [...told.filter(([, value]) => value), ...attributes];
}

function deadLetterFacts(letter) {
  if (!letter) return [];
  return [
    ["Meant for", `${letter.listener}, as ${letter.sequence}`],
    ["Given up", `${fineTime(letter.time)}, after ${many(letter.attempts, "attempt")} (${cause(letter)})`],
    ["Reason", letter.reason],
  ];
}

/** Why a message was given up. */
export function cause(letter) {
  return word(letter.cause, "DEAD_LETTER_CAUSE_");
}
