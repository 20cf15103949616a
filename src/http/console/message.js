// A message as people read it: one line, or all of it.

import { el, theirs } from "./dom.js";
import { content, contentKind, duration, fineTime, many, size, word } from "./words.js";

/** The page keeps so much of a content. */
const MOST_CONTENT = 64 * 1024;
const PREVIEW = 240;

/** What is kept of a delivery to be read later. */
export class Parts {
  #facts;
  #content;
  #cut;
  preview;

  constructor(told) {
    const text = content(told.message);
    this.#content = text.slice(0, MOST_CONTENT);
    this.#cut = text.length - this.#content.length;
    this.preview = text.slice(0, PREVIEW).replace(/\s+/g, " ");
    this.#facts = facts(told);
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
