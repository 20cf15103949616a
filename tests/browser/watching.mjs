// Messages arrive, the server is killed and comes back, and the page goes on by itself: every message once, in order, or a
// gap in its place.

import assert from "node:assert/strict";
import { lines, state, until } from "./stage.mjs";

const BEFORE = 40;
const ALL = 120;

export async function play(stage) {
  const { server } = stage;
  await server.post("/v1/channels", { channel: "prices", settings: { sseRetry: "0.1s" } });
  await server.post("/v1/channels/prices/listeners", { listener: "alice" });
  const page = await stage.console("/");
  const streams = [];
  page.on("request", (request) => request.resourceType() === "eventsource" && streams.push(request));

  await openByKeyboard(page);
  await survivesACrash(stage, page);
  await comesBackByItself(streams);
  await saysWhatIsMissing(stage, page);
  await goesOnInAnotherLife(stage, page);
  await pictures(stage);
  await stage.assertNoFaults();
}

async function openByKeyboard(page) {
  const link = page.getByRole("link", { name: "prices" });
  await link.waitFor();
  while (!(await link.evaluate((link) => link === document.activeElement))) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await state(page, "open");
}

async function survivesACrash(stage, page) {
  const { server } = stage;
  let reached;
  const halfWay = new Promise((resolve) => (reached = resolve));
  const counting = server.count("prices", 0, ALL, (n) => n === BEFORE && reached());
  await halfWay;
  await server.kill();
  await state(page, "lost");
  await page.getByText("The server does not answer").waitFor();
  await stage.shoot("lost", page);
  await server.start();
  await counting;
  await shown(page, ALL - 1);
  await page.getByText("The server does not answer").waitFor({ state: "detached" });
  const numbers = (await lines(page)).filter(({ type }) => type === "number").map(({ content }) => Number(content));
  assert.deepEqual(numbers, Array.from({ length: ALL }, (_, n) => n), "every message once, in order");
  const others = (await lines(page)).map(({ kind }) => kind).filter((kind) => kind !== "delivery");
  assert.deepEqual(others, ["note", "note"], "it was lost and came back, and nothing is missing");
}

/** The last of the numbers is there. */
function shown(page, number) {
  return until(
    page,
    (number) => document.querySelector(".stream .events")?.lastElementChild?.querySelector(".preview")?.textContent === number,
    String(number),
  );
}

/** The browser has asked again, for the same, and said where it was; the page has opened no second stream. */
async function comesBackByItself(streams) {
  assert.ok(streams.length > 1);
  assert.equal(new Set(streams.map((stream) => stream.url())).size, 1);
  const [first, last] = await Promise.all([streams[0], streams.at(-1)].map((stream) => stream.allHeaders()));
  assert.equal(first["last-event-id"], undefined);
  assert.ok(last["last-event-id"]);
}

/** The channel keeps five, and twelve are sent while the stream rests. */
async function saysWhatIsMissing({ server }, page) {
  await page.keyboard.press("p");
  await state(page, "paused");
  await server.call("DELETE", "/v1/channels/prices/listeners/alice");
  await server.call("PATCH", "/v1/channels/prices", { settings: { maxBacklogMessages: "5", maxReplayMessages: "5" } });
  await server.count("prices", ALL, ALL + 12);
  await page.keyboard.press("p");
  await shown(page, ALL + 11);
  const rows = await lines(page);
  const at = rows.findIndex(({ kind }) => kind === "gap");
  assert.match(rows[at].text, /^Messages may be missing here: they are older than what the server keeps/);
  assert.equal(rows[at - 1].content, String(ALL - 1), "the gap is where they are missing");
  assert.deepEqual(rows.slice(at + 1).map(({ content }) => Number(content)), [7, 8, 9, 10, 11].map((n) => ALL + n));
}

/** The channel goes, and another of its name comes: the page says both, and goes on. */
async function goesOnInAnotherLife({ server }, page) {
  await server.call("DELETE", "/v1/channels/prices");
  await page.locator(".stream").getByText("CHANNEL_REMOVED").waitFor();
  await server.post("/v1/channels", { channel: "prices", settings: { maxBacklogMessages: "5", maxReplayMessages: "5" } });
  await state(page, "open");
  await server.count("prices", 0, 1);
  await shown(page, 0);
  const rows = await lines(page);
  assert.match(rows.at(-2).text, /the server or the channel began anew/);
}

async function pictures(stage) {
  await furnish(stage.server);
  const page = await stage.console("/channels/prices");
  await seen(stage, page);
  await stage.shoot("channel-light", page, { fullPage: true });
  await page.emulateMedia({ colorScheme: "dark" });
  await stage.shoot("channel-dark", page, { fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  await stage.shoot("channel-narrow-dark", page, { fullPage: true });
  await page.emulateMedia({ colorScheme: "light" });
  await stage.shoot("channel-narrow", page, { fullPage: true });
  await page.keyboard.press("u");
  await page.getByRole("link", { name: "orders" }).waitFor();
  await stage.shoot("channels-narrow", page);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "dark" });
  await stage.shoot("channels-dark", page);
}

async function furnish(server) {
  await server.post("/v1/channels", { channel: "orders" });
  for (const listener of ["alice", "bob"]) await server.post("/v1/channels/prices/listeners", { listener });
  await server.post("/v1/channels/prices/listeners", { listener: "worker", acknowledgementMode: "ACKNOWLEDGEMENT_MODE_EXPLICIT" });
}

/** There is something to be seen, a gap with it. */
async function seen({ server }, page) {
  await state(page, "open");
  const quote = (n) => ({ type: n % 5 ? "quote" : "trade", json: JSON.stringify({ symbol: ["ACME", "GLOBEX"][n % 2], eur: 12 + n / 8 }) });
  for (let n = 0; n < 8; n++) await server.post("/v1/channels/prices/broadcast", { message: quote(n) });
  await page.keyboard.press("p");
  for (let n = 8; n < 20; n++) await server.post("/v1/channels/prices/broadcast", { message: quote(n) });
  await page.keyboard.press("p");
  await page.locator(".gap").waitFor();
  await until(page, () => document.querySelectorAll(".spark .line[points*=' ']").length > 0);
}
