// What the server says of itself, at the head of every page, and that it does not answer.

import { el, say } from "./dom.js";
import { Poll } from "./poll.js";
import { call } from "./verbs.js";
import { since, time } from "./words.js";

const PAUSE_MS = 2000;
const DURABILITY = {
  DURABILITY_MEMORY: "in memory",
  DURABILITY_DISK: "on disk",
  DURABILITY_REPLICATED: "replicated",
};

/** Keeps the head of the page. `told` is called with each answer. */
export function watchServer(line, away, told) {
  let silent = null;
  const ask = async (signal) => {
    try {
      const server = await call("GET", "v1/server", undefined, signal);
      silent = null;
      away.replaceChildren();
      say(line, `${server.version} · ${DURABILITY[server.durability] ?? ""} · up ${since(server.startTime)}`);
      told(server);
    } catch (problem) {
      silent ??= new Date();
      say(line, "");
      away.replaceChildren(el("p", {}, awayText(problem, silent)));
      throw problem;
    }
  };
  return new Poll(new AbortController().signal, PAUSE_MS, ask);
}

function awayText(problem, silent) {
  const what = problem.reason === "NO_ANSWER" ? "The server does not answer" : problem.detail;
  return `${what}, since ${time(silent)}. What is shown here is from before. This page tries again by itself.`;
}
