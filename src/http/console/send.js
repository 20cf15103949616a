// The form that sends a message: to everybody, or to one listener.

import { el } from "./dom.js";
import { choice, form, labelled, text } from "./forms.js";
import { call, channelPath, listenerPath, randomId } from "./verbs.js";
import { many } from "./words.js";

/** The form for a channel; `listener` is whom it is for where there is no choice. `sent` is called after each message. */
export function sendForm(channel, { listener = null, sent }) {
  const fields = contentFields();
  const to = listener ? null : receiverFields();
  // who sends again, where no answer came, sends the same message: the server takes it once
  let id = randomId();
  const element = form("Send a message", "Send", [...(to?.parts ?? []), ...fields.parts], async () => {
    const message = fields.message(id);
    const receiver = listener ?? to.listener();
    const path = receiver == null ? `${channelPath(channel)}/broadcast` : `${listenerPath(channel, receiver)}/dispatch`;
    const { receipt } = await call("POST", path, { message });
    id = randomId();
    sent();
    return told(receipt, receiver);
  });
  element.addEventListener("input", () => (id = randomId()));
  return { element, focus: () => fields.type.select(), offer: (ids) => to?.offer(ids) };
}

function told(receipt, receiver) {
  if (receipt.duplicate) return `It was accepted before, as ${receipt.sequence}.`;
  if (receiver != null) return `Accepted as ${receipt.sequence}, for ${receiver}.`;
  const receivers = receipt.receivers == null ? "" : `, for ${many(receipt.receivers, "listener")}`;
  return `Accepted as ${receipt.sequence}${receivers}.`;
}

function receiverFields() {
  const way = choice([
    ["broadcast", "everybody (broadcast)"],
    ["dispatch", "one listener (dispatch)"],
  ]);
  const known = el("datalist", { id: "known-listeners" });
  const name = text({ list: known.id });
  const one = labelled("Listener", name, { field: "listener" });
  one.hidden = true;
  one.append(known);
  way.addEventListener("change", () => (one.hidden = way.value === "broadcast"));
  return {
    parts: [labelled("To", way), one],
    listener: () => (way.value === "broadcast" ? null : name.value.trim()),
    offer: (ids) => known.replaceChildren(...ids.map((value) => el("option", { value }))),
  };
}

function contentFields() {
  const type = text({ value: "note" });
  const content = el("textarea", { rows: 4, spellcheck: "false", class: "code" });
  content.value = '{"hello": "world"}';
  const form = choice([
    ["json", "JSON"],
    ["text", "text"],
  ]);
  const more = moreFields();
  return {
    type,
    parts: [
      labelled("Type", type, { hint: "Receivers select by it.", field: "message.type" }),
      labelled("Content", content, { field: "message.json" }),
      labelled("Content is", form),
      more.element,
    ],
    message: (id) => ({ id, type: type.value, ...payload(content.value, form.value), ...more.given() }),
  };
}

function payload(text, kind) {
  if (text === "") return {};
  return { json: kind === "json" ? text : JSON.stringify(text) };
}

function moreFields() {
  const id = text();
  const sender = text();
  const ttl = text({ inputmode: "decimal" });
  const attributes = el("textarea", { rows: 2, spellcheck: "false", class: "code", placeholder: "name=value" });
  const element = el(
    "details",
    { class: "more" },
    el("summary", {}, "More"),
    labelled("Id", id, { hint: "The same id is accepted once. Empty: the page makes one.", field: "message.id" }),
    labelled("Sender", sender, { field: "message.sender_id" }),
    labelled("Time to live, in seconds", ttl, { hint: "What waits longer is dropped, as a gap.", field: "message.ttl" }),
    labelled("Attributes, one a line", attributes, { field: "message.attributes" }),
  );
  return { element, given: () => given(id.value.trim(), sender.value.trim(), ttl.value.trim(), attributes.value) };
}

function given(id, senderId, seconds, lines) {
  const pairs = lines.split("\n").filter((line) => line.trim());
  const attributes = Object.fromEntries(pairs.map((line) => pair(line)));
  return {
    ...(id && { id }),
    ...(senderId && { senderId }),
    ...(seconds && { ttl: `${seconds}s` }),
    ...(pairs.length > 0 && { attributes }),
  };
}

function pair(line) {
  const at = line.indexOf("=");
  return at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}
