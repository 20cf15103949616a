// A stream of events, as an EventSource has it: it comes back by itself where it was, and says what is missing.

import { Problem, call, refusal } from "./verbs.js";

/** A tab that nobody looks at gives its connection back after so long: browsers have six for a server. */
const HIDDEN_MS = 30_000;

/**
 * An open stream, or one that rests. It tells `hears.opened(told)`, `hears.delivery(told)`, `hears.gap(told)` and
 * `hears.changed(state, problem)`, whose state is one of `opening`, `open`, `lost` (it tries again by itself), `paused`,
 * `hidden` and `ended`.
 */
export class Tail {
  state = "paused";
  #path;
  #hears;
  #source = null;
  /** Behind the last event that was told. */
  #place = "";
  /** What asks for the stream, beside its place. */
  #parameters = {};
  #resting = 0;

  constructor(path, hears, signal) {
    this.#path = path;
    this.#hears = hears;
    signal.addEventListener("abort", () => this.#close());
    document.addEventListener("visibilitychange", () => this.#looked(), { signal });
  }

  /** Begins anew, with these parameters of the URL. */
  begin(parameters) {
    this.#place = "";
    this.goOn(parameters);
  }

  /** Goes on behind the last event that was told. */
  goOn(parameters = this.#parameters) {
    this.#close();
    this.#parameters = parameters;
    const query = new URLSearchParams({ ...parameters, format: "delivery" });
    if (this.#place) query.set("last_event_id", this.#place);
    this.#source = new EventSource(`${this.#path}?${query}`);
    this.#listen(this.#source);
    this.#change("opening");
    // a tab may be opened behind the one that is looked at
    if (document.hidden) this.#restSoon();
  }

  pause() {
    this.#close();
    this.#change("paused");
  }

  #listen(source) {
    const take = (name, tell) =>
      source.addEventListener(name, (event) => {
        if (event.lastEventId) this.#place = event.lastEventId;
        tell(JSON.parse(event.data));
      });
    take("message", (told) => this.#hears.delivery(told));
    take("_eric_gap", (told) => this.#hears.gap(told));
    take("_eric_ended", (told) => this.#ended(new Problem(told)));
    take("_eric_opened", (told) => {
      this.#hears.opened(told);
      this.#change("open");
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) this.#refused(source.url);
      else this.#change("lost");
    });
  }

  /** A server that goes comes back; all else is for good. */
  #ended(problem) {
    if (problem.passing) return this.#change("lost", problem);
    this.#close();
    this.#change("ended", problem);
  }

  /** An EventSource does not say why. To watch leaves nothing behind, so it is tried; a listener is only looked at. */
  async #refused(url) {
    this.#close();
    const isWatch = !this.#path.includes("/listeners/");
    const why = await (isWatch ? refusal(url) : this.#whyNot()).catch((problem) => problem);
    // it was begun anew meanwhile, or is not wanted any more
    if (this.#source || this.state === "paused") return;
    this.#change("ended", why ?? new Problem({ reason: "ENDED", detail: "The server has ended the stream for good." }));
  }

  async #whyNot() {
    const { listener } = await call("GET", this.#path.replace(/\/events$/, ""));
    if (!listener.connected) return undefined;
    const session = listener.session ? ` It is “${listener.session}”.` : "";
    return new Problem({ reason: "IN_USE", detail: `Another client listens.${session}` });
  }

  #looked() {
    if (document.hidden) return this.#restSoon();
    clearTimeout(this.#resting);
    if (this.state === "hidden") this.goOn();
  }

  #restSoon() {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => {
      if (!this.#source) return;
      this.#close();
      this.#change("hidden");
    }, HIDDEN_MS);
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  #change(state, problem) {
    const before = this.state;
    this.state = state;
    this.#hears.changed(state, problem, before);
  }
}
