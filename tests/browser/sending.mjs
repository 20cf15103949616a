// What is sent by the forms arrives as it was entered, is counted, is shown again as long as it is kept, and may be the last.

import assert from "node:assert/strict";
import { figure, lines, state, until } from "./stage.mjs";

export async function play(stage) {
  const { server } = stage;
  await server.post("/v1/channels", { channel: "offers" });
  await server.post("/v1/channels/offers/listeners", { listener: "alice" });
  const page = await stage.console("/channels/offers");
  await sendsWhatIsEntered(stage, page);
  await sendsToTheListenerThatIsSeen(stage);
  await tellsTheRate(stage);
  await showsWhatIsKept(stage);
  await saysThatNoMoreWillCome(stage, page);
  await stage.assertNoFaults();
}

/** What waits for a listener. */
async function waiting({ server }, channel, listener) {
  const { deliveries } = await server.call("GET", `/v1/channels/${channel}/listeners/${listener}/messages`);
  return deliveries.map(({ message }) => message);
}

/** Each field of the form; sent once more, it is known by its id. */
async function sendsWhatIsEntered(stage, page) {
  const form = page.getByRole("form", { name: "Send a message" });
  const enter = (label, text) => form.getByLabel(label, { exact: true }).fill(text);
  await enter("Type", "offer");
  await enter("Content", '{"price": 12.50,\n "of": "tea"}');
  await form.getByText("More", { exact: true }).click();
  await enter("Id", "offer-1");
  await enter("Sender", "bob");
  await enter("Time to live, in seconds", "3600");
  await enter("Attributes, one a line", "colour=red\n\n place = by the sea = here \nnew");
  await form.getByRole("button", { name: "Send" }).click();
  await form.getByText(/^Accepted as \d+, for 1 listener\.$/).waitFor();
  const entered = {
    id: "offer-1",
    type: "offer",
    json: '{"price": 12.50,\n "of": "tea"}',
    senderId: "bob",
    ttl: "3600s",
    attributes: { colour: "red", place: "by the sea = here", new: "" },
  };
  assert.deepEqual(await waiting(stage, "offers", "alice"), [entered]);
  await page.locator(".stream .line").click();
  const told = await page.locator(".stream .whole").innerText();
  for (const word of ["offer-1", "bob", "60 min", "“colour”", "red", "by the sea = here"]) {
    assert.ok(told.includes(word), `${word}: ${told}`);
  }
  await form.getByRole("button", { name: "Send" }).click();
  await form.getByText(/^It was accepted before, as \d+\.$/).waitFor();

  await enter("Id", "");
  await enter("Time to live, in seconds", "soon");
  await form.getByRole("button", { name: "Send" }).click();
  await form.getByRole("alert").getByText("INVALID_JSON").waitFor();
  assert.equal((await waiting(stage, "offers", "alice")).length, 1);
}

/** There nobody is to be chosen. */
async function sendsToTheListenerThatIsSeen(stage) {
  const page = await stage.console("/channels/offers/listeners/alice");
  const form = page.getByRole("form", { name: "Send a message" });
  assert.equal(await form.getByLabel("To", { exact: true }).count(), 0);
  await form.getByLabel("Content", { exact: true }).fill('say "tea"');
  await form.getByLabel("Content is", { exact: true }).selectOption("text");
  await form.getByRole("button", { name: "Send" }).click();
  await form.getByText(/^Accepted as \d+, for alice\.$/).waitFor();
  const { type, json } = (await waiting(stage, "offers", "alice"))[1];
  assert.deepEqual({ type, json: JSON.parse(json) }, { type: "note", json: 'say "tea"' });
}

/** By a clock that is turned by hand: five in a second, and none in the next. */
async function tellsTheRate(stage) {
  const { server } = stage;
  await server.post("/v1/channels", { channel: "counted" });
  const page = await stage.page();
  await page.clock.install({ time: "2030-01-01T00:00:00Z" });
  await page.clock.pauseAt("2030-01-01T00:01:00Z");
  await stage.console("/channels/counted", page);
  await figure(page, "rate", "–");
  const lead = page.locator(".lead");
  await server.count("counted", 0, 5);
  await page.clock.runFor(1000);
  await figure(page, "rate", "5.0");
  await lead.getByText("5.0 messages a second come in.").waitFor();
  await page.clock.runFor(1000);
  await figure(page, "rate", "0");
  await lead.getByText("Nothing comes in right now; 5 messages came since the server's start.").waitFor();
  await page.keyboard.press("u");
  const rate = page.locator("tr", { hasText: "counted" }).locator('[data-label="a second"]');
  await rate.getByText("0", { exact: true }).waitFor();
  await server.count("counted", 5, 12);
  await page.clock.runFor(1000);
  await rate.getByText("7.0", { exact: true }).waitFor();
}

/** From the oldest on, whether it was seen before or not, and then what comes. */
async function showsWhatIsKept(stage) {
  const { server } = stage;
  await server.post("/v1/channels", { channel: "kept" });
  await server.count("kept", 0, 3);
  const page = await stage.console("/channels/kept");
  await state(page, "open");
  await server.count("kept", 3, 5);
  const last = ".stream li:last-child .preview";
  const shown = (number) => page.locator(last).getByText(number, { exact: true }).waitFor();
  const numbers = async () => (await lines(page)).map(({ content }) => content);
  await shown("4");
  assert.deepEqual(await numbers(), ["3", "4"]);
  await page.getByRole("button", { name: "Show what is kept" }).click();
  await until(page, () => document.querySelectorAll(".stream .delivery").length === 5);
  await server.count("kept", 5, 6);
  await shown("5");
  assert.deepEqual(await numbers(), ["0", "1", "2", "3", "4", "5"]);
}

/** Whoever watches and whoever has a queue is told, and nothing is removed. */
async function saysThatNoMoreWillCome(stage, page) {
  await page.getByRole("button", { name: "Say that no more will come" }).click();
  await page.getByText(/^Told, as \d+\. Clients end by themselves\.$/).waitFor();
  await page.locator(".stream .note", { hasText: "A sender says that no more will come." }).waitFor();
  const last = (await waiting(stage, "offers", "alice")).at(-1);
  assert.equal(last.type, "_eric_channel_closed");
  await state(page, "open");
}
