// Asks again and again, while somebody looks.

const LONGEST_PAUSE_MS = 10_000;

/** Asks at once and then a pause after each answer: a longer one after each failure, none at all in a hidden page. */
export class Poll {
  #signal;
  #pause;
  #ask;
  #wake = () => {};

  constructor(signal, pause, ask) {
    this.#signal = signal;
    this.#pause = pause;
    this.#ask = ask;
    document.addEventListener("visibilitychange", () => this.now(), { signal });
    signal.addEventListener("abort", () => this.now());
    this.#run();
  }

  /** Does not wait for the end of the pause. */
  now() {
    this.#wake();
  }

  async #run() {
    for (let failures = 0; !this.#signal.aborted; ) {
      const answered = document.hidden || (await this.#asked());
      failures = answered ? 0 : failures + 1;
      if (!this.#signal.aborted) await this.#rest(Math.min(this.#pause * 2 ** failures, LONGEST_PAUSE_MS));
    }
  }

  async #asked() {
    // what is changed while it is asked is asked for anew
    let again = false;
    this.#wake = () => (again = true);
    const answered = await this.#ask(this.#signal).then(() => true, (error) => {
      if (!this.#signal.aborted && !error.reason) console.error(error);
      return false;
    });
    if (again && answered && !this.#signal.aborted && !document.hidden) return this.#asked();
    return answered;
  }

  #rest(pause) {
    return new Promise((resume) => {
      const timer = document.hidden ? 0 : setTimeout(resume, pause);
      this.#wake = () => {
        clearTimeout(timer);
        resume();
      };
    });
  }
}
