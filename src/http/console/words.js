// Numbers, sizes, times and what happens, in words.

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, maximumFractionDigits: 1 });

/** A count; 64 bits come as text. */
export function count(value) {
  return whole.format(Number(value ?? 0));
}

/** With the word for it. */
export function many(value, one, more = `${one}s`) {
  return `${count(value)} ${Number(value) === 1 ? one : more}`;
}

/** How many a second; not known: a dash. */
export function rate(value) {
  if (value == null) return "–";
  return value === 0 || value >= 100 ? whole.format(Math.round(value)) : value.toFixed(1);
}

export function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = Number(bytes ?? 0);
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1024;
  if (unit === 0) return value === 1 ? "1 byte" : `${value} bytes`;
  return `${short.format(value)} ${units[unit]}`;
}

const two = (number) => String(number).padStart(2, "0");

/** A time of today as such, another with its day. */
export function time(text, now = new Date()) {
  const at = new Date(text);
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (at.toDateString() === now.toDateString()) return clock;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock}`;
}

/** With thousandths of a second. */
export function fineTime(text) {
  const at = new Date(text);
  return `${time(text)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

const UNITS = [
  { name: "d", seconds: 86_400 },
  { name: "h", seconds: 3600 },
  { name: "min", seconds: 60 },
  { name: "s", seconds: 1 },
];

/** How long ago, in its two largest units. */
export function since(text, now = Date.now()) {
  let seconds = Math.max(0, Math.floor((now - Date.parse(text)) / 1000));
  const told = [];
  for (const unit of UNITS) {
    if (seconds >= unit.seconds) told.push(`${Math.floor(seconds / unit.seconds)} ${unit.name}`);
    seconds %= unit.seconds;
  }
  return told.slice(0, 2).join(" ") || "0 s";
}

/** A duration of proto3 JSON, such as `3.500s`. */
export function duration(text) {
  const seconds = parseFloat(text ?? "0");
  if (seconds === 0) return "none";
  if (seconds < 1) return `${short.format(seconds * 1000)} ms`;
  if (seconds < 120) return `${short.format(seconds)} s`;
  if (seconds < 7200) return `${short.format(seconds / 60)} min`;
  return seconds < 172_800 ? `${short.format(seconds / 3600)} h` : `${short.format(seconds / 86_400)} d`;
}

/** The word of an enum of the contract: `OVERFLOW_DROP_OLDEST` as `drop oldest`. */
export function word(value, prefix) {
  return value.slice(prefix.length).toLowerCase().replaceAll("_", " ");
}

/** Why one is missing, and why several are. */
const GAPS = {
  OVERFLOW: ["the backlog was full, and the oldest goes first", "the backlog was full, and the oldest go first"],
  EXPIRED: ["it had a time to live, and waited longer", "they had a time to live, and waited longer"],
  TRIMMED: ["it is older than what the server keeps", "they are older than what the server keeps"],
  PURGED: ["it was purged", "they were purged"],
  REJECTED: ["it was rejected for good, or too often", "they were rejected for good, or too often"],
  OTHER_LIFE: ["the server or the channel began anew", "the server or the channel began anew"],
};

/** What a gap says. */
export function gap(told) {
  const known = GAPS[told.reason.replace("GAP_REASON_", "")];
  const reason = known?.[Number(told.count) === 1 ? 0 : 1] ?? word(told.reason, "GAP_REASON_");
  if (told.count == null) return `Messages may be missing here: ${reason}.`;
  return `${many(told.count, "message is", "messages are")} missing here: ${reason}.`;
}

/** The content of a message, as text. */
export function content(message) {
  if (message.json != null) return message.json;
  if (message.binary != null) return message.binary;
  return message.value === undefined ? "" : JSON.stringify(message.value);
}

/** What kind of content it is. */
export function contentKind(message) {
  if (message.binary != null) return `binary, ${size(Math.floor((message.binary.length * 3) / 4))}, in base64`;
  if (message.json != null || message.value !== undefined) return "JSON";
  return "none";
}
