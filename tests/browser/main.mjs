// Plays a story in a real browser before a real server: `node main.mjs STORY`. It ends with an error where the story does not
// come out.
//
// tests/promises/browser.rs starts it, and says by the environment what to use: ERIC, the command; ERIC_BROWSER, what
// `scripts/tool browser` has installed; ERIC_SCREENSHOTS, the folder that pictures are put into.

import { Stage } from "./stage.mjs";

const STORIES = ["watching", "taking_part", "many", "sending", "queues", "grpc_web"];

/** Longer than any story takes, and shorter than whoever waits for it: what was started is ended in any case. */
const DEADLINE_MS = 240_000;

function late() {
  return new Promise((_, fail) => setTimeout(() => fail(new Error("the story takes too long")), DEADLINE_MS).unref());
}

const name = process.argv[2];
if (!STORIES.includes(name)) throw new Error(`no story ${name}: ${STORIES.join(", ")}`);
const { play } = await import(`./${name}.mjs`);
const stage = await Stage.set();
try {
  await Promise.race([play(stage), late()]);
} catch (error) {
  // what the page looked like tells more than the error
  await stage.shoot(`failed-${name}`).catch(() => {});
  throw error;
} finally {
  await stage.strike();
}
