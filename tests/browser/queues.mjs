// Whoever registers a listener says where its queue begins; dead letters go back all at once, and a listener goes with its queue.

import assert from "node:assert/strict";
import { figure } from "./stage.mjs";

const LETTERS = 12;

export async function play(stage) {
  const { server } = stage;
  await server.post("/v1/channels", { channel: "jobs" });
  const page = await stage.console("/channels/jobs");
  await beginsWith(stage, page);
  await fillTheGraveyard(server);
  await sendsBackAllThatAreShown(stage, page);
  await removesAListener(stage, page);
  await stage.assertNoFaults();
}

const path = (listener) => `/v1/channels/jobs/listeners/${listener}`;
const listenerOf = async ({ server }, listener) => (await server.call("GET", path(listener))).listener;

/** The two that are kept wait for one, and for the other nothing. */
async function beginsWith(stage, page) {
  await stage.server.count("jobs", 0, 2);
  const form = page.getByRole("form", { name: "Register a listener" });
  for (const [name, start, waiting] of [
    ["early", "the oldest that is kept", "2"],
    ["late", "what comes from now on", "0"],
  ]) {
    await form.getByLabel("Listener", { exact: true }).fill(name);
    await form.getByLabel("Begins with", { exact: true }).selectOption({ label: start });
    await form.getByRole("button", { name: "Register" }).click();
    await form.getByText(`Registered ${name}.`).waitFor();
    assert.equal((await listenerOf(stage, name)).backlogMessages, waiting);
    await page.getByRole("row", { name }).locator('[data-label="waiting"]').getByText(waiting, { exact: true }).waitFor();
  }
}

/** More letters than a page of them has. */
async function fillTheGraveyard(server) {
  await server.post("/v1/channels/jobs/listeners", { listener: "graveyard" });
  await server.post("/v1/channels/jobs/listeners", { listener: "worker", acknowledgementMode: "ACKNOWLEDGEMENT_MODE_EXPLICIT" });
  await server.call("PATCH", "/v1/channels/jobs", { settings: { deadLetterListener: "graveyard" } });
  for (let n = 0; n < LETTERS; n++) {
    await server.post(`${path("worker")}/dispatch`, { message: { type: "number", json: String(n) } });
    const { batch } = await server.post(`${path("worker")}/pull`, { maxMessages: 1 });
    const [{ sequence }] = batch.deliveries;
    await server.post("/v1/reject", { items: [{ channel: "jobs", listener: "worker", sequence, final: true }] });
  }
}

async function sendsBackAllThatAreShown(stage, page) {
  await page.goto(`${stage.server.url}/#/channels/jobs/listeners/graveyard`);
  await figure(page, "waiting", String(LETTERS));
  await page.getByRole("button", { name: "Send back the chosen" }).click();
  await page.getByRole("alert").getByText("NOTHING_CHOSEN").waitFor();
  const all = page.getByRole("button", { name: "Send back all that are shown" });
  await all.click();
  await page.getByText("10 messages wait for their listeners again.").waitFor();
  await figure(page, "waiting", "2");
  await page.locator(".still .delivery").nth(2).waitFor({ state: "detached" });
  await all.click();
  await page.getByText("2 messages wait for their listeners again.").waitFor();
  await page.getByText("No dead letter is here.").waitFor();
  const { deliveries } = await stage.server.call("GET", `${path("worker")}/messages`);
  const numbers = deliveries.map(({ message }) => Number(message.json));
  assert.deepEqual(numbers, Array.from({ length: LETTERS }, (_, n) => n));
}

async function removesAListener(stage, page) {
  await page.goto(`${stage.server.url}/#/channels/jobs/listeners/worker`);
  await figure(page, "waiting", String(LETTERS));
  const remove = page.getByRole("button", { name: "Remove…" });
  const dialog = page.getByRole("dialog");
  await remove.click();
  await dialog.getByText("12 messages that wait for it will be gone for good, and its stream ends.").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.equal((await listenerOf(stage, "worker")).backlogMessages, String(LETTERS));
  await remove.click();
  await dialog.getByRole("button", { name: "Remove the listener" }).click();
  await page.getByRole("heading", { name: "jobs" }).waitFor();
  await page.getByRole("rowheader", { name: "graveyard" }).waitFor();
  assert.equal(await page.getByRole("rowheader", { name: "worker" }).count(), 0);
  await assert.rejects(listenerOf(stage, "worker"), /LISTENER_REMOVED/);
  await isToldWhyNot(stage, page);
}

/** What receives dead letters stays. */
async function isToldWhyNot(stage, page) {
  await page.getByRole("link", { name: "graveyard" }).click();
  await page.getByRole("button", { name: "Remove…" }).click();
  await page.getByRole("button", { name: "Remove the listener" }).click();
  await page.getByRole("alert").getByText("IN_USE").waitFor();
  assert.equal((await listenerOf(stage, "graveyard")).id, "graveyard");
}
