// The list of what a stream has told: deliveries, gaps at their place, and what became of the connection.

import { el } from "./dom.js";
import { Parts } from "./message.js";
import { fineTime, gap as gapInWords, many } from "./words.js";

/** The page keeps so many; what is older goes. */
const MOST_EVENTS = 500;
/** It is drawn no more often: a busy stream leaves the page time for whoever uses it. */
const BETWEEN_DRAWS_MS = 100;

/** A list that is bounded, drawn a few times a second, and walked with the arrow keys. */
export class EventList {
  #list = el("ol", { class: "events", tabindex: 0 });
  #earlier = el("p", { class: "earlier", hidden: true });
  #newest = el("button", { type: "button", class: "newest", hidden: true, onclick: () => this.#follow() }, "Newest ↓");
  /** Rows, and what makes them once they are to be seen. */
  #waiting = [];
  #timer = 0;
  #drawn = 0;
  #gone = 0;
  #following = true;
  element = el("div", { class: "events-box" }, this.#earlier, this.#list, this.#newest);

  constructor(label, empty) {
    this.#list.dataset.empty = empty;
    this.#list.setAttribute("aria-label", `${label}, the oldest first. Arrow keys move, Enter opens.`);
    this.#list.addEventListener("keydown", (event) => this.#walk(event));
    this.#list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  /** A delivery; `actions` are buttons for it. */
  delivery(told, actions = []) {
    const parts = new Parts(told);
    this.#add(actions.length > 0 ? deliveryRow(parts, actions) : () => deliveryRow(parts, []));
  }

  gap(told) {
    const range = `after ${told.afterSequence}, through ${told.throughSequence}`;
    this.#add(el("li", { class: "gap" }, el("span", {}, gapInWords(told)), el("span", { class: "range" }, range)));
  }

  /** Something that happened to the stream. */
  note(text, kind = "note") {
    this.#add(el("li", { class: kind }, `${fineTime(Date.now()).slice(0, -4)} ${text}`));
  }

  clear() {
    this.#waiting = [];
    this.#gone = 0;
    this.#list.replaceChildren();
    this.#draw();
  }

  /** To the newest. */
  focus() {
    (this.#list.querySelector("li:last-of-type .line") ?? this.#list).focus();
  }

  #add(row) {
    this.#waiting.push(row);
    if (this.#waiting.length > MOST_EVENTS) this.#gone += this.#waiting.splice(0, 1).length;
    const pause = Math.max(0, this.#drawn + BETWEEN_DRAWS_MS - performance.now());
    this.#timer ||= setTimeout(() => this.#draw(), pause);
  }

  #draw() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#drawn = performance.now();
    this.#list.append(...this.#waiting.splice(0).map((row) => (typeof row === "function" ? row() : row)));
    while (this.#list.childElementCount > MOST_EVENTS) {
      this.#list.firstElementChild.remove();
      this.#gone += 1;
    }
    this.#earlier.hidden = this.#gone === 0;
    this.#earlier.textContent = `${many(this.#gone, "earlier line is", "earlier lines are")} not kept in this page.`;
    if (this.#following) this.#list.scrollTop = this.#list.scrollHeight;
    this.#newest.hidden = this.#following;
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#list;
    this.#following = scrollTop + clientHeight >= scrollHeight - 4;
    this.#newest.hidden = this.#following;
  }

  #follow() {
    this.#following = true;
    this.#list.focus();
    this.#draw();
  }

  #walk(event) {
    if (event.target.closest("input")) return;
    const lines = [...this.#list.querySelectorAll(".line")];
    const at = lines.indexOf(document.activeElement?.closest("li")?.querySelector(".line"));
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? lines.length - 1 : at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    lines[Math.max(0, Math.min(to, lines.length - 1))]?.focus();
  }
}

/** A line that opens. Of all lines only the one that has the focus, and what is in it, are in the order of tabs. */
function deliveryRow(parts, actions) {
  const line = parts.line({ tabindex: -1 });
  const row = el("li", { class: "delivery", "data-sequence": parts.sequence }, line, ...actions);
  parts.opens(line, row);
  if (actions.length > 0) offer(row, actions);
  return row;
}

function offer(row, actions) {
  const buttons = actions.filter((action) => action.matches("button"));
  buttons.forEach((button) => (button.tabIndex = -1));
  row.addEventListener("focusin", () => buttons.forEach((button) => (button.tabIndex = 0)));
  row.addEventListener("focusout", (event) => {
    if (!row.contains(event.relatedTarget)) buttons.forEach((button) => (button.tabIndex = -1));
  });
}
