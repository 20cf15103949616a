// A stage for a story: a server of its own over a directory, and a browser.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
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
  #servers = [];
  server;

  static async set() {
    const stage = new Stage();
    const { chromium } = packages("playwright-core");
    stage.#directory = await mkdtemp(join(tmpdir(), "eric-browser-"));
    stage.#browser = await chromium.launch({
      executablePath: process.env.ERIC_BROWSER,
      // a sandbox is not to be had everywhere that tests run, and nothing of strangers is opened
      args: ["--no-sandbox"],
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

  /** A page in a window of its own. What goes wrong in it is an error of the story. */
  async page({ scheme = "light", width = 1280, height = 900 } = {}) {
    const context = await this.#browser.newContext({ colorScheme: scheme, viewport: { width, height } });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.faults = [];
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
  async console(place = "/", options = {}) {
    const page = await this.page(options);
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

  /** No page had anything go wrong in it. */
  assertNoFaults() {
    assert.deepEqual(this.#pages.flatMap((page) => page.faults), []);
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
