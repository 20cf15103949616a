// A page speaks gRPC-Web with the HTTP door, through the TypeScript that is generated from the contract: from the server's
// own origin, and from another one where its operator has named it.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { packages, typescriptPackages } from "./stage.mjs";

export async function play(stage) {
  const script = await bundle();
  const elsewhere = await host(script);
  try {
    await fromItsOwnOrigin(stage, script);
    await fromElsewhere(stage, elsewhere.origin);
  } finally {
    elsewhere.server.close();
  }
  await stage.assertNoFaults();
}

async function bundle() {
  const { outputFiles } = await packages("esbuild").build({
    entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    nodePaths: [typescriptPackages],
  });
  return outputFiles[0].text;
}

const HTML = '<!doctype html><title>gRPC-Web</title><script src="page.js"></script>';

/** A site of its own. */
function host(script) {
  const server = createServer((request, response) => {
    const isScript = request.url.endsWith(".js");
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : HTML);
  });
  return new Promise((ready) =>
    server.listen(0, "127.0.0.1", () => ready({ server, origin: `http://127.0.0.1:${server.address().port}` })),
  );
}

async function fromItsOwnOrigin(stage, script) {
  const { url } = stage.server;
  const page = await stage.page();
  // the server has no such page: the browser is given one as if it came from there
  await page.route(`${url}/page`, (route) => route.fulfill({ contentType: "text/html", body: HTML }));
  await page.route(`${url}/page.js`, (route) => route.fulfill({ contentType: "text/javascript", body: script }));
  await page.goto(`${url}/page`);
  await converse(stage.server, page);
}

async function fromElsewhere(stage, origin) {
  const page = await stage.page();
  await page.goto(origin);
  const unread = await page.evaluate((url) => globalThis.ask(url, "nowhere"), stage.server.url);
  assert.deepEqual(unread, { code: "Unknown", reason: undefined, channel: undefined }, "a page of elsewhere reads nothing");
  // the browser says so, too
  assert.match(page.faults.splice(0).join(), /CORS policy/);
  const server = await stage.serve("--cors-origin", origin);
  await converse(server, page);
}

/** Unary calls, a stream, and an error with its details. */
async function converse(server, page) {
  const { url } = server;
  const { incarnation } = await server.call("GET", "/v1/server");
  const sent = await page.evaluate((url) => globalThis.send(url, "web"), url);
  assert.deepEqual(sent, {
    existed: false,
    backlog: 0n,
    receivers: [1n, 1n],
    published: ["receipt", "receipt"],
    incarnation,
  });
  const listening = page.evaluate((url) => globalThis.listen(url, "web", 6), url);
  // what waits comes, and what comes while it listens
  await connected(server);
  for (const n of [4, 5]) await server.post("/v1/channels/web/broadcast", { message: { type: "number", json: String(n) } });
  assert.deepEqual(await listening, { opened: incarnation, numbers: ["0", "1", "2", "3", "4", "5"], gaps: 0, waiting: 0n });
  const refused = await page.evaluate((url) => globalThis.ask(url, "nowhere"), url);
  assert.deepEqual(refused, { code: "NotFound", reason: "CHANNEL_NOT_FOUND", channel: "nowhere" });
}

async function connected(server) {
  for (;;) {
    const { listener } = await server.call("GET", "/v1/channels/web/listeners/page");
    if (listener.connected) return;
  }
}
