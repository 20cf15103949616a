// Of many channels and listeners a page is asked for, of many messages the last are kept, and a page that nobody sees asks for
// nothing.

import assert from "node:assert/strict";
import { lines, state, until } from "./stage.mjs";

const CHANNELS = 101;
const LISTENERS = 45;
const MESSAGES = 700;

export async function play(stage) {
  const { server } = stage;
  for (let n = 0; n < CHANNELS; n++) await server.post("/v1/channels", { channel: `channel-${n}` });
  for (let n = 0; n < LISTENERS; n++) await server.post("/v1/channels/channel-0/listeners", { listener: `listener-${n}` });
  const page = await stage.console("/");
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url())));
  await turnsPages(page, asked);
  await keepsTheLast(stage, page);
  await isToldWhyNot(stage, page);
  await turnsWhileItIsAsked(stage, page);
  await doesOnce(stage, page);
  await restsUnseen(stage);
  await restsUnseenFromTheBeginning(stage);
  await stage.assertNoFaults();
}

const rows = (page, count) => until(page, (count) => document.querySelectorAll(".list tbody tr").length === count, count);

async function turnsPages(page, asked) {
  await rows(page, 50);
  const later = page.getByRole("button", { name: "Later →" });
  await later.press("Enter");
  await page.getByRole("link", { name: "channel-50", exact: true }).waitFor();
  await rows(page, 50);
  await later.press("Enter");
  await page.getByRole("link", { name: "channel-100" }).waitFor();
  await rows(page, 1);
  assert.equal(await later.getAttribute("aria-disabled"), "true");
  const lists = asked.filter(({ pathname }) => pathname === "/v1/channels");
  assert.ok(lists.every(({ searchParams }) => searchParams.get("page_size") === "50"));
  await page.keyboard.press("/");
  await page.keyboard.type("channel-0");
  await page.keyboard.press("Enter");
  await page.getByText("45 listeners are registered.").waitFor();
  await rows(page, 20);
}

/** 700 messages in a moment: the page keeps 500, in order, and says so. */
async function keepsTheLast({ server }, page) {
  await state(page, "open");
  const message = (n) => ({ channel: "channel-0", broadcast: true, message: { type: "number", json: String(n) } });
  const numbers = Array.from({ length: MESSAGES }, (_, n) => n);
  await server.post("/v1/publish", { publications: numbers.map(message) });
  await until(page, (last) => document.querySelector(".stream li:last-child .preview")?.textContent === last, String(MESSAGES - 1));
  const shown = (await lines(page)).map(({ content }) => Number(content));
  assert.deepEqual(shown, numbers.slice(-500));
  await page.getByText("200 earlier lines are not kept in this page.").waitFor();
}

/** A stream that is refused says why, and a listener is not taken from its client. */
async function isToldWhyNot({ server }, page) {
  const types = page.getByLabel("Types", { exact: true });
  await types.fill("x".repeat(300));
  await types.press("Enter");
  const trouble = page.locator(".stream").getByRole("alert");
  await trouble.getByText("INVALID_SETTING").waitFor();
  await types.fill("number");
  await types.press("Enter");
  await state(page, "open");
  assert.equal(await trouble.count(), 0);

  const path = "/v1/channels/channel-0/listeners/listener-0";
  const leaving = new AbortController();
  const client = await fetch(`${server.url}${path}/events?session=the-client`, { signal: leaving.signal });
  await page.goto(`${server.url}/#/channels/channel-0/listeners/listener-0`);
  await page.getByText("It is listening, as “the-client”").waitFor();
  await page.getByRole("button", { name: "Listen here" }).press("Enter");
  await trouble.getByText("IN_USE Another client listens. It is “the-client”.").waitFor();
  assert.equal((await server.call("GET", path)).listener.session, "the-client");
  leaving.abort();
  await client.body?.cancel().catch(() => {});
}

/** The page that was turned to is the one that is shown, also where the one before comes later. */
async function turnsWhileItIsAsked({ server }, page) {
  const listener = "/v1/channels/channel-1/listeners/reader";
  await server.post("/v1/channels/channel-1/listeners", { listener: "reader" });
  const send = (n) => server.post(`${listener}/dispatch`, { message: { type: "number", json: String(n) } });
  for (let n = 0; n < 25; n++) await send(n);
  await page.goto(`${server.url}/#/channels/channel-1/listeners/reader`);
  await until(page, () => document.querySelectorAll(".still .delivery").length === 10);
  const firstPage = /\/messages\?page_size=10$/;
  let asks, answer;
  const asked = new Promise((resolve) => (asks = resolve));
  const answered = new Promise((resolve) => (answer = resolve));
  await page.route(firstPage, async (route) => {
    asks();
    await answered;
    await route.continue();
  });
  await send(25);
  await asked;
  await page.getByRole("button", { name: "Later →" }).press("Enter");
  answer();
  await page.getByText("Page 2").waitFor();
  await until(page, () => document.querySelector(".still .preview")?.textContent === "10");
  await page.unroute(firstPage);
}

/** Twice in a row is once. */
async function doesOnce({ server }, page) {
  let stops = 0;
  page.on("request", (request) => (stops += Number(request.url() === `${server.url}/v1/channels/channel-1/listeners/reader/stop`)));
  await page.getByRole("button", { name: "Stop" }).dblclick();
  await page.getByText("Stopped: its stream has ended").waitFor();
  assert.equal(stops, 1);
}

/** By a clock of the page's own, that is turned by hand. */
async function restsUnseen(stage) {
  const page = await stage.page();
  await page.clock.install();
  const asked = [];
  page.on("requestfinished", (request) => asked.push(new URL(request.url()).pathname));
  await stage.console("/channels/channel-0", page);
  await state(page, "open");
  const polls = () => asked.filter((path) => path === "/v1/channels/channel-0").length;
  while (polls() < 3) await page.clock.runFor(1000);
  await look(page, false);
  // the stream is the last to rest, after half a minute
  await page.clock.runFor(31_000);
  await state(page, "hidden");
  asked.length = 0;
  await page.clock.runFor(600_000);
  await stage.server.count("channel-0", 0, 3);
  assert.deepEqual(asked, [], "nobody looks");
  await look(page, true);
  await state(page, "open");
  await until(page, () => document.querySelectorAll(".stream .delivery").length === 3);
  while (polls() < 3) await page.clock.runFor(1000);
}

/** A tab may be opened behind another. */
async function restsUnseenFromTheBeginning(stage) {
  const page = await stage.page();
  await page.clock.install();
  await page.addInitScript(() => Object.defineProperty(document, "hidden", { configurable: true, get: () => true }));
  await stage.console("/channels/channel-0", page);
  await state(page, "open");
  await page.clock.runFor(31_000);
  await state(page, "hidden");
  await look(page, true);
  await state(page, "open");
}

async function look(page, seen) {
  await page.evaluate((seen) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => !seen });
    document.dispatchEvent(new Event("visibilitychange"));
  }, seen);
}
