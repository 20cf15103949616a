// The list of what a stream has told: deliveries, gaps at their place, and what became of the connection.

import { el, theirs } from "./dom.js";
import { fineTime, many, gap as gapInWords } from "./words.js";
import { Parts } from "./message.js";

/** The page keeps so many; what is older goes. */
const MOST_EVENTS = 500;

/** A list that is bounded, drawn once a frame, and walked with the arrow keys. */
export class EventList {
  #list = el("ol", { class: "events", tabindex: 0 });
  #earlier = el("p", { class: "earlier", hidden: true });
  #newest = el("button", { type: "button", class: "newest", hidden: true, onclick: () => this.#follow() }, "Newest ↓");
  #waiting = [];
  #frame = 0;
  #gone = 0;
  #following = true;
  element = el("div", { class: "events-box" }, this.#earlier, this.#list, this.#newest);

  constructor(label) {
    this.#list.setAttribute("aria-label", `${label}, the oldest first. Arrow keys move, Enter opens.`);
    this.#list.addEventListener("keydown", (event) => this.#walk(event));
    this.#list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  /** A delivery; `actions` are buttons for it. */
  delivery(told, actions = []) {
    return this.#add(deliveryRow(told, actions));
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
    // a hidden tab draws nothing for as long as it is hidden
    if (this.#waiting.length > MOST_EVENTS) this.#gone += this.#waiting.splice(0, 1).length;
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
    return row;
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#list.append(...this.#waiting.splice(0));
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
function deliveryRow(told, actions) {
  const { message } = told;
  const parts = new Parts(told);
  const line = el(
    "button",
    { type: "button", class: "line", tabindex: -1, "aria-expanded": "false" },
    el("time", { datetime: told.acceptTime }, fineTime(told.acceptTime)),
    el("span", { class: "sequence" }, told.sequence),
    el("span", { class: "type" }, theirs(message.type)),
    el("span", { class: "preview" }, theirs(parts.preview)),
  );
  if (Number(told.attempt ?? 1) > 1) line.append(el("span", { class: "tag" }, `attempt ${told.attempt}`));
  const row = el("li", { class: "delivery", "data-sequence": told.sequence }, line, ...actions);
  line.addEventListener("click", () => {
    const open = row.querySelector(".whole") === null;
    line.setAttribute("aria-expanded", open);
    if (open) row.append(parts.whole());
    else row.querySelector(".whole").remove();
  });
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
