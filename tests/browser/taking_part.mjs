// Somebody who has never seen Eric takes part, by keyboard alone: creates a channel, registers, sends, rejects, sends a dead
// letter back, acknowledges, and is told what is wrong where it is wrong.

import assert from "node:assert/strict";
import { figure, focused, lines, packages, state, until } from "./stage.mjs";

/** What a stranger sends to do harm. */
const HARM = '<img src=x onerror="document.title=\'harm\'"><b>bold</b>';

export async function play(stage) {
  const page = await stage.console("/");
  await page.getByText("There is no channel yet").waitFor();
  await stage.shoot("empty-light", page);
  await asksForHelp(stage, page);
  await creates(page);
  await registers(page, "worker", true);
  await registers(page, "graveyard", false);
  await namesTheGraveyard(page);
  await sends(stage, page);
  await isToldWhatIsWrong(page);
  await rejects(stage, page);
  await sendsBack(stage, page);
  await acknowledges(page);
  await acknowledgesWhatCameAgain(stage, page);
  await purges(stage, page);
  await isAccessible(stage);
  await removes(page);
  await stage.assertNoFaults();
}

const type = (page, text) => page.keyboard.type(text);
const press = async (page, ...keys) => {
  for (const key of keys) await page.keyboard.press(key);
};

/** Walks to what has this name. */
async function walk(page, name, key = "Tab") {
  for (let steps = 0; steps < 80; steps++) {
    await press(page, key);
    if ((await focused(page)) === name) return;
  }
  assert.fail(`no ${key} leads to ${name}`);
}

async function asksForHelp(stage, page) {
  await walk(page, "Help ?");
  await press(page, "?");
  await page.getByRole("dialog").getByText("Nothing is lost silently").waitFor();
  assert.equal(await focused(page), "Close");
  await stage.shoot("help", page);
  await press(page, "Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.equal(await focused(page), "Help ?", "the focus is where it was");
}

async function creates(page) {
  await press(page, "n");
  assert.equal(await focused(page), "New channel");
  await type(page, "no good");
  await press(page, "Enter");
  await page.getByText("INVALID_ID").waitFor();
  assert.equal(await focused(page), "New channel", "it is to be mended here");
  assert.equal(await page.locator("input[aria-invalid=true]").count(), 1);
  await press(page, "Control+a");
  await type(page, "jobs");
  await press(page, "Enter");
  await page.getByRole("heading", { name: "jobs" }).waitFor();
  await state(page, "open");
}

async function registers(page, name, explicit) {
  await press(page, "n");
  await type(page, name);
  await press(page, "Tab");
  assert.equal(await focused(page), "Acknowledgement");
  await press(page, explicit ? "End" : "Home", "Shift+Tab", "Enter");
  await page.getByText(`Registered ${name}.`).waitFor();
  await page.getByRole("rowheader", { name }).waitFor();
  await press(page, "Escape");
}

async function namesTheGraveyard(page) {
  await walk(page, "Dead letters go to");
  await type(page, "graveyard");
  await press(page, "Enter");
  await page.getByText("Dead letters go to graveyard.").waitFor();
  await page.getByRole("rowheader", { name: "graveyard dead letters" }).waitFor();
  await press(page, "Escape");
}

/** A broadcast is seen live, a dispatch waits for its listener. */
async function sends(stage, page) {
  await press(page, "s");
  await type(page, "greeting");
  await press(page, "Control+Enter");
  await page.getByText(/^Accepted as \d+, for 1 listener\.$/).waitFor();
  await until(page, () => document.querySelector(".stream .type")?.textContent === "greeting");
  assert.equal((await lines(page))[0].content, '{"hello": "world"}');

  await press(page, "Shift+Tab", "End", "Tab");
  assert.equal(await focused(page), "Listener");
  await type(page, "worker");
  await press(page, "Tab", "Control+a");
  await type(page, HARM);
  await press(page, "Tab", "Control+a");
  await type(page, HARM);
  await press(page, "Tab", "End");
  assert.equal(await focused(page), "Content is");
  await press(page, "Control+Enter");
  await page.getByText(/^Accepted as \d+, for worker\.$/).waitFor();
  assert.equal((await lines(page)).length, 1, "a dispatch is no broadcast");
  await stage.server.post("/v1/channels/jobs/broadcast", { message: { type: HARM, senderId: "stranger", json: JSON.stringify(HARM) } });
  await until(page, () => document.querySelectorAll(".stream .type").length === 2);
  await press(page, "Escape", "e", "Enter");
  await page.locator(".whole").getByText("stranger").waitFor();
  await press(page, "Enter");
  await nothingHappened(page);
}

/** What strangers send is text. */
async function nothingHappened(page) {
  assert.equal(await page.locator("main img, main b:text('bold')").count(), 0);
  assert.doesNotMatch(await page.title(), /harm/);
}

async function isToldWhatIsWrong(page) {
  await press(page, "s", "Shift+Tab");
  assert.equal(await focused(page), "Listener");
  await press(page, "Control+a");
  await type(page, "nobody");
  await press(page, "Enter");
  const wrong = page.getByRole("form", { name: "Send a message" }).getByRole("alert");
  await wrong.getByText("LISTENER_NOT_FOUND").waitFor();
  await press(page, "Tab", "Control+a", "Delete", "Shift+Tab", "Control+a");
  await type(page, "worker");
  await press(page, "Enter");
  await wrong.getByText("INVALID_MESSAGE").waitFor();
  assert.equal(await focused(page), "Type", "the server has said which");
  await press(page, "Escape");
}

/** Listens as the worker, and rejects what was dispatched for good. */
async function rejects(stage, page) {
  await press(page, "/");
  await type(page, "worker");
  await press(page, "Enter");
  await page.getByRole("heading", { name: "worker" }).waitFor();
  await figure(page, "waiting", "3");
  // to look takes nothing
  await until(page, () => document.querySelectorAll(".still .delivery").length === 3);
  await press(page, "p");
  await until(page, () => document.querySelectorAll(".stream .delivery").length === 3);
  await figure(page, "state", "listening");
  await press(page, "e", "ArrowUp");
  assert.match(await focused(page), /onerror/);
  await press(page, "Tab", "Tab");
  assert.equal(await focused(page), "Reject…");
  await press(page, "Enter");
  assert.equal(await focused(page), "Reason, for people");
  await type(page, "no <b>such</b> job");
  await press(page, "Tab", "Tab", "Space");
  assert.equal(await focused(page), "For good");
  await stage.shoot("reject", page);
  await press(page, "Enter");
  await page.getByText(/^rejected: dead letter \d+$/).waitFor();
  assert.match(await focused(page), /onerror/, "the focus stays with its line");
  // what stands behind it comes again, once
  await until(page, () => document.querySelectorAll(".stream .delivery:not(.settled)").length === 2);
  await until(page, () => document.querySelectorAll(".stream .delivery").length === 3);
  await nothingHappened(page);
}

async function sendsBack(stage, page) {
  await press(page, "u");
  await page.getByText("1 dead letter waits in graveyard.").waitFor();
  await press(page, "/");
  await type(page, "graveyard");
  await press(page, "Enter");
  await page.getByRole("heading", { name: "Dead letters" }).waitFor();
  await page.getByText("no <b>such</b> job").waitFor();
  await page.locator(".letter").getByText("from worker after 1 attempt, final rejection").waitFor();
  await stage.shoot("dead-letters", page);
  await page.locator(".still input").focus();
  await press(page, "Space");
  await walk(page, "Send back the chosen");
  await press(page, "Enter");
  await page.getByText("1 message waits for its listener again.").waitFor();
  await page.getByText("No dead letter is here.").waitFor();
}

/** One singly, and the rest at once; the one that was sent back is among them. */
async function acknowledges(page) {
  await press(page, "u");
  await page.getByRole("link", { name: "worker" }).focus();
  await press(page, "Enter");
  await figure(page, "waiting", "3");
  await press(page, "p");
  await until(page, () => document.querySelectorAll(".stream .delivery").length === 3);
  const kinds = (await lines(page)).map(({ kind, type }) => (kind === "delivery" ? type : kind));
  assert.deepEqual(kinds, ["greeting", "gap", HARM, HARM], "the gap stands where the rejected one was");
  await press(page, "e", "Home", "Tab");
  assert.equal(await focused(page), "Acknowledge");
  await press(page, "Enter");
  await page.locator(".settled", { hasText: "acknowledged" }).waitFor();
  await figure(page, "waiting", "2");
  await walk(page, "Acknowledge all", "Shift+Tab");
  await press(page, "Enter");
  await page.getByText("2 messages were acknowledged.").waitFor();
  await figure(page, "waiting", "0");
}

/** Of three the first is rejected, and all come again: the last of them is still the last. Where others overtake, it comes alone. */
async function acknowledgesWhatCameAgain({ server }, page) {
  for (const redelivery of ["REDELIVERY_STRICT", "REDELIVERY_OVERTAKING"]) {
    await server.call("PATCH", "/v1/channels/jobs", { settings: { redelivery } });
    await page.getByRole("button", { name: "Clear" }).click();
    const message = { type: "again", json: "{}" };
    for (let n = 0; n < 3; n++) await server.post("/v1/channels/jobs/listeners/worker/dispatch", { message });
    const open = page.locator(".stream .delivery:not(.settled)");
    await open.nth(2).waitFor();
    // by now the page knows the channel's way, too
    await figure(page, "waiting", "3");
    await open.first().getByRole("button", { name: "Reject…" }).click();
    await page.getByLabel("Comes again after, in seconds").fill("0");
    await page.getByRole("form", { name: "Reject" }).getByRole("button", { name: "Reject" }).click();
    await page.locator(".stream .delivery:not(.settled)", { hasText: "attempt 2" }).waitFor();
    await until(page, () => document.querySelectorAll(".stream .delivery:not(.settled)").length === 3);
    await page.getByRole("button", { name: "Acknowledge all" }).click();
    await page.getByText("3 messages were acknowledged.").waitFor();
    await figure(page, "waiting", "0");
    await page.locator(".stream .delivery:not(.settled)").first().waitFor({ state: "detached" });
  }
}

/** The gap of a purge tells how many it has. */
async function purges(stage, page) {
  await press(page, "p");
  await state(page, "paused");
  const message = { type: "job", json: "{}" };
  for (let n = 0; n < 3; n++) await stage.server.post("/v1/channels/jobs/listeners/worker/dispatch", { message });
  await figure(page, "waiting", "3");
  await walk(page, "Purge…");
  await press(page, "Enter");
  await page.getByRole("dialog").getByText("3 messages will be gone for good").waitFor();
  assert.equal(await focused(page), "Cancel", "nothing goes by a slip");
  await press(page, "Enter");
  await figure(page, "waiting", "3");
  assert.equal(await focused(page), "Purge…");
  await press(page, "Enter");
  await page.getByRole("dialog").waitFor();
  await press(page, "Tab");
  assert.equal(await focused(page), "Purge");
  await press(page, "Enter");
  await page.getByText("3 messages were purged.").waitFor();
  await figure(page, "waiting", "0");
  await press(page, "p");
  const gap = page.locator(".stream .gap").last();
  await gap.getByText("3 messages are missing here: they were purged.").waitFor();
  await stage.shoot("gap", page);
}

/** A checker of others finds nothing; in the dark only colours are others. */
async function isAccessible(stage) {
  const { source } = packages("axe-core");
  const page = await stage.console("/");
  await page.evaluate(source);
  for (const place of ["/", "/channels/jobs", "/channels/jobs/listeners/worker"]) {
    await page.evaluate((place) => (location.hash = place), place);
    await page.locator(place === "/" ? ".list a" : ".facts [data-figure]:not(:empty)").first().waitFor();
    for (const [colorScheme, rules] of [
      ["light", {}],
      ["dark", { runOnly: ["color-contrast"] }],
    ]) {
      await page.emulateMedia({ colorScheme });
      const { violations, passes } = await page.evaluate((rules) => globalThis.axe.run(rules), rules);
      const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
      assert.deepEqual(told, [], `${place}, ${colorScheme}`);
      assert.ok(passes.length > 0);
    }
  }
}

async function removes(page) {
  await press(page, "u");
  await page.getByRole("heading", { name: "jobs" }).waitFor();
  await until(page, () => document.querySelectorAll(".list .doing").length === 2);
  await page.getByRole("button", { name: "Remove the channel…" }).focus();
  await press(page, "Enter");
  await page.getByRole("dialog").getByText("2 listeners and what waits for them go with it").waitFor();
  await press(page, "Tab", "Enter");
  await page.getByText("There is no channel yet").waitFor();
}
