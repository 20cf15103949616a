// A list that comes page by page: the page that is seen is the only one that is asked for.

import { el } from "./dom.js";

/** Where a reader of pages is. */
export class Pager {
  #tokens = [""];
  #next = "";
  #turned;
  #size;
  #earlier = el("button", { type: "button", onclick: () => this.#turn(-1) }, "← Earlier");
  #later = el("button", { type: "button", onclick: () => this.#turn(1) }, "Later →");
  #page = el("span", { class: "page" });
  element = el("nav", { class: "pager", "aria-label": "Pages", hidden: true }, this.#earlier, this.#page, this.#later);

  /** `turned` is called when another page is to be asked for. */
  constructor(size, turned) {
    this.#size = size;
    this.#turned = turned;
  }

  get query() {
    const token = this.#tokens.at(-1);
    return `page_size=${this.#size}${token ? `&page_token=${encodeURIComponent(token)}` : ""}`;
  }

  get first() {
    return this.#tokens.length === 1;
  }

  /** What an answer said of the page behind it. */
  took(nextPageToken) {
    this.#next = nextPageToken;
    this.element.hidden = this.first && !this.#next;
    set(this.#earlier, this.first);
    set(this.#later, !this.#next);
    this.#page.textContent = `Page ${this.#tokens.length}`;
  }

  #turn(by) {
    if (by < 0 && !this.first) this.#tokens.pop();
    else if (by > 0 && this.#next) this.#tokens.push(this.#next);
    else return;
    this.#next = "";
    this.#turned();
  }
}

/** A button that cannot be used keeps the focus that it has. */
function set(button, off) {
  if (off) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}
