// A stream with its list and its switches, as a part of a page.

import { el, say } from "./dom.js";
import { EventList } from "./events.js";
import { problemElement } from "./forms.js";
import { Tail } from "./tail.js";

const STATES = {
  opening: "connecting",
  open: "live",
  lost: "lost, trying again",
  paused: "paused",
  hidden: "paused while nobody looked",
  ended: "ended",
};

/**
 * A stream at `path`. `actions(told)` makes the buttons of a delivery, `opened(told)` hears what a stream began with,
 * `parameters()` is what else is asked for, `empty` is said where nothing has come, `start` is what begins it.
 */
export class StreamPanel {
  list;
  #tail;
  #state = el("span", { class: "state", role: "status" }, "not connected");
  #toggle = el("button", { type: "button", "aria-keyshortcuts": "p", onclick: () => this.toggle() }, "Start");
  #trouble = el("div");
  #options;

  constructor(label, path, options, signal) {
    this.#options = options;
    this.list = new EventList(label, options.empty);
    this.list.element.hidden = true;
    this.#tail = new Tail(path, this.#hears(), signal);
    this.bar = el("div", { class: "bar stream-bar" }, this.#state, this.#toggle);
    this.#toggle.textContent = options.start ?? "Start";
    this.bar.append(el("button", { type: "button", onclick: () => this.list.clear() }, "Clear"));
    this.element = el("div", { class: "stream" }, this.bar, this.#trouble, this.list.element);
  }

  /** Begins anew. */
  begin(parameters = {}) {
    this.#tail.begin({ ...this.#options.parameters?.(), ...parameters });
  }

  /** Goes on where it was, for what is asked for now. */
  goOn() {
    this.#tail.goOn(this.#options.parameters?.());
  }

  toggle() {
    if (this.runs) this.#tail.pause();
    else this.goOn();
  }

  get runs() {
    return ["opening", "open", "lost"].includes(this.#tail.state);
  }

  get ended() {
    return this.#tail.state === "ended";
  }

  #hears() {
    return {
      delivery: (told) => {
        this.list.delivery(told, this.#options.actions?.(told));
        if (told.message.type === "_eric_channel_closed") this.list.note("A sender says that no more will come.");
      },
      gap: (told) => {
        this.list.gap(told);
        this.#options.gap?.(told);
      },
      opened: (told) => this.#options.opened?.(told),
      changed: (state, problem, before) => this.#changed(state, problem, before),
    };
  }

  #changed(state, problem, before) {
    this.list.element.hidden = false;
    say(this.#state, STATES[state]);
    this.#state.dataset.state = state;
    say(this.#toggle, this.runs ? "Pause" : state === "paused" ? "Go on" : (this.#options.start ?? "Start"));
    this.#trouble.replaceChildren(...(problem && state === "ended" ? [problemElement(problem)] : []));
    if (state === "lost" && before !== "lost") this.list.note("The connection was lost.", "note lost");
    if (state === "open" && before === "lost") this.list.note("Connected again: what was missed follows, or a gap.");
    this.#options.changed?.(state);
  }
}
