// The verbs, as JSON over HTTP: whatever the console does, anybody can.

const PATIENCE_MS = 15_000;

/** Why a verb was not done. */
export class Problem extends Error {
  constructor(told) {
    super(told.detail ?? "");
    this.reason = told.reason ?? "UNKNOWN";
    this.detail = told.detail ?? "";
    this.violations = told.violations ?? [];
    this.metadata = told.metadata ?? {};
    /** Trying again may help. */
    this.passing = told.retry_after != null || told.reason === "NO_ANSWER";
  }

  /** Of one item of a batch. */
  static ofStatus(status) {
    const facts = (status.details ?? []).find((detail) => detail.reason) ?? {};
    return new Problem({ reason: facts.reason, detail: status.message, metadata: facts.metadata });
  }
}

/** Does a verb, and tells its answer, or throws its [`Problem`]. */
export async function call(method, path, body, signal) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  /** @type {RequestInit} */
  const request = { method, cache: "no-store", signal: signal ? AbortSignal.any([signal, patience]) : patience };
  if (body !== undefined) {
    request.headers = { "content-type": "application/json" };
    request.body = JSON.stringify(body);
  }
  const answer = await fetch(path, request).catch((error) => {
    if (signal?.aborted) throw error;
    throw new Problem({ reason: "NO_ANSWER", detail: "The server does not answer." });
  });
  const told = await answer.json().catch(() => null);
  if (answer.ok && told) return told;
  throw new Problem(told?.reason ? told : { reason: `HTTP_${answer.status}`, detail: answer.statusText });
}

/** Why a stream is refused; `undefined` where it is not. Nothing of it is read. */
export async function refusal(path) {
  const enough = new AbortController();
  const answer = await fetch(path, { signal: AbortSignal.any([enough.signal, AbortSignal.timeout(PATIENCE_MS)]) });
  const told = answer.ok ? undefined : new Problem(await answer.json());
  enough.abort();
  return told;
}

/** The one result of a batch of one. */
export async function callForOne(path, body) {
  const { results } = await call("POST", path, body);
  if (results[0]?.error) throw Problem.ofStatus(results[0].error);
  return results[0];
}

const id = encodeURIComponent;

export const channelPath = (channel) => `v1/channels/${id(channel)}`;
export const listenerPath = (channel, listener) => `${channelPath(channel)}/listeners/${id(listener)}`;
export const channelLink = (channel) => `#/channels/${id(channel)}`;
export const listenerLink = (channel, listener) => `${channelLink(channel)}/listeners/${id(listener)}`;

/** A text that nobody else makes: the id of a message, so that it may be sent again where it is not known what became of it. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
