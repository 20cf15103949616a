// A stage for a story: a server of its own over a directory, and a browser.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { elsewhere } from "./public.mjs";
import { Server } from "./server.mjs";

/** Longer than anything takes, also on a busy machine. */
export const PATIENCE_MS = 30_000;

const tools = resolve(process.env.ERIC_BROWSER, "../..");
/** The packages that `scripts/tool browser` has installed. */
export const packages = createRequire(join(tools, "package.json"));
export const typescriptPackages = join(tools, "typescript", "node_modules");

export class Stage {
  #browser;
  #directory;
  #pages = [];
  #consoles = [];
  #servers = [];
  server;

  static async set() {
    const stage = new Stage();
    const { chromium } = packages("playwright-core");
    stage.#directory = await mkdtemp(join(tmpdir(), "eric-browser-"));
    stage.#browser = await chromium.launch({
      executablePath: process.env.ERIC_BROWSER,
      // a sandbox is not to be had everywhere that tests run, and nothing of strangers is opened; no name leads anywhere
      args: ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
    });
    stage.server = await stage.serve();
    return stage;
  }

  /** Another server, with these further arguments. */
  async serve(...more) {
    const server = await Server.begin(join(this.#directory, String(this.#servers.length)), more);
    this.#servers.push(server);
    return server;
  }

  /** A page in a window of its own. What goes wrong in it is an error of the story, and what it asks for is written down. */
  async page() {
    const context = await this.#browser.newContext({ colorScheme: "light", viewport: { width: 1280, height: 900 } });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.faults = [];
    page.asked = [];
    context.on("request", (request) => page.asked.push({ method: request.method(), url: request.url() }));
    page.on("websocket", (socket) => page.asked.push({ method: "GET", url: socket.url() }));
    page.on("pageerror", (error) => page.faults.push(String(error)));
    page.on("console", (said) => {
      // a browser says so of each answer that is an error, and of each that does not come
      const expected = said.text().startsWith("Failed to load resource");
      if (said.type() === "error" && !expected) page.faults.push(said.text());
    });
    this.#pages.push(page);
    return page;
  }

  /** The console, at this place of it. */
  async console(place, page) {
    page ??= await this.page();
    this.#consoles.push(page);
    await page.goto(`${this.server.url}/#${place}`);
    await page.locator("h1").waitFor();
    return page;
  }

  /** A picture of a page, or of the last one that was opened. */
  async shoot(name, page = this.#pages.at(-1), options = {}) {
    const folder = process.env.ERIC_SCREENSHOTS;
    await mkdir(folder, { recursive: true });
    await page?.screenshot({ path: join(folder, `${name}.png`), ...options });
  }

  async strike() {
    await this.#browser?.close();
    await Promise.all(this.#servers.map((server) => server.kill()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** No page had anything go wrong in it, and the console did all that it did over what is there for everybody. */
  async assertNoFaults() {
    assert.deepEqual(this.#pages.flatMap((page) => page.faults), []);
    const document = await this.server.call("GET", "/openapi.json");
    for (const { asked } of this.#consoles) {
      assert.ok(asked.some(({ url }) => url.startsWith(`${this.server.url}/v1/`)));
      assert.deepEqual(elsewhere(asked, this.server.url, document), []);
    }
  }
}

/** Waits until this is so in a page. */
export function until(page, condition, argument) {
  return page.waitForFunction(condition, argument, { timeout: PATIENCE_MS });
}

/** The stream of a page is in this state. */
export function state(page, name) {
  return page.locator(`.state[data-state="${name}"]`).waitFor();
}

/** The lines of a page's stream, in order. */
export function lines(page) {
  return page.locator(".stream .events").evaluate((list) =>
    [...list.children].map((line) => ({
      kind: line.classList[0],
      type: line.querySelector(".type")?.textContent,
      content: line.querySelector(".preview")?.textContent,
      text: line.textContent,
    })),
  );
}

/** A figure of a page comes to this. */
export function figure(page, name, text) {
  return until(page, ([name, text]) => document.querySelector(`[data-figure="${name}"]`)?.textContent === text, [name, text]);
}

/** What has the focus. */
export function focused(page) {
  return page.evaluate(() => {
    const { tagName, textContent, labels } = /** @type {HTMLInputElement} */ (document.activeElement);
    return labels?.[0]?.textContent ?? (tagName === "BODY" ? "" : textContent);
  });
}
