// `eric serve` as a process of its own, on an address that it keeps.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

export class Server {
  #process;
  #arguments;
  /** Comes when it serves, or serves again. */
  #serving;
  #serves;

  constructor(directory, port, more) {
    this.url = `http://127.0.0.1:${port}`;
    const addresses = ["--listen", "127.0.0.1:0", "--http", `127.0.0.1:${port}`];
    this.#arguments = ["serve", "--log-format", "json", "--data-dir", directory, ...addresses, ...more];
    this.#goAway();
  }

  #goAway() {
    this.#serving = new Promise((serves) => (this.#serves = serves));
  }

  static async begin(directory, more) {
    const server = new Server(directory, await freePort(), more);
    await server.start();
    return server;
  }

  /** Starts it, and waits until it says that it serves. */
  async start() {
    this.#process = spawn(process.env.ERIC, this.#arguments, { env: {}, stdio: ["ignore", "ignore", "pipe"] });
    const said = [];
    createInterface({ input: this.#process.stderr }).on("line", (line) => {
      said.push(line);
      if (JSON.parse(line).address) this.#serves();
    });
    const ended = once(this.#process, "exit").then(() => Promise.reject(new Error(`the server has ended: ${said.join("\n")}`)));
    // whether it serves matters here, its end later on does not
    ended.catch(() => {});
    await Promise.race([this.#serving, ended]);
  }

  /** Ends it without a word, in the middle of whatever it does. */
  async kill() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#goAway();
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }

  /** A verb, which must be done. */
  async call(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      headers: body && { "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${JSON.stringify(told)}`);
    return told;
  }

  post(path, body = {}) {
    return this.call("POST", path, body);
  }

  /** Broadcasts numbers, one after the other, each once: also while the server goes and comes back. */
  async count(channel, from, to, told = () => {}) {
    for (let n = from; n < to; n++) {
      const message = { id: `number-${n}`, type: "number", json: String(n) };
      while (!(await this.#broadcast(channel, message))) await this.#serving;
      told(n);
    }
  }

  async #broadcast(channel, message) {
    try {
      await this.post(`/v1/channels/${channel}/broadcast`, { message });
      return true;
    } catch (error) {
      // no answer: whether it was accepted is not known, and the same id is accepted once
      if (error instanceof TypeError) return false;
      throw error;
    }
  }
}

/** Below those that the system gives to whoever connects: nobody takes it while the server is away. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const probe = createServer();
    const free = await new Promise((told) => {
      probe.once("error", () => told(false));
      probe.listen(port, "127.0.0.1", () => told(true));
    });
    probe.close();
    if (free) return port;
  }
}
