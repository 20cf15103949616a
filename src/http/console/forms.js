// Forms: labelled fields, one button, and below it what came of it.

import { el } from "./dom.js";
import { Problem } from "./verbs.js";

let fields = 0;

/** A label, its control, and a hint. `field` is the control's name in the contract, by which the server faults it. */
export function labelled(label, control, { hint = "", field = "" } = {}) {
  control.id = `field-${++fields}`;
  if (field) control.dataset.field = field;
  const parts = [el("label", { for: control.id }, label), control];
  if (hint) {
    control.setAttribute("aria-describedby", `${control.id}-hint`);
    parts.push(el("small", { id: `${control.id}-hint`, class: "hint" }, hint));
  }
  return el("div", { class: "field" }, ...parts);
}

/** A line of text. */
export function text(attributes = {}) {
  return el("input", { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...attributes });
}

/** One of several, by their values and words. */
export function choice(options) {
  return el("select", {}, ...options.map(([value, words]) => el("option", { value }, words)));
}

/** What came of an action, said where it was done. */
export class Outcome {
  element = el("div", { class: "outcome", role: "status" });

  done(...told) {
    this.element.replaceChildren(el("p", { class: "done" }, ...told));
  }

  failed(problem) {
    this.element.replaceChildren(problemElement(problem));
  }

  clear() {
    this.element.replaceChildren();
  }
}

/** A problem with its reason, its detail, and each fault. */
export function problemElement(problem) {
  const told = problem instanceof Problem ? problem : new Problem({ reason: "ERROR", detail: String(problem) });
  const faults = told.violations.map(({ field, description }) => el("li", {}, el("code", {}, field), ` ${description}`));
  return el(
    "div",
    { class: "problem", role: "alert" },
    el("p", {}, el("strong", {}, told.reason), " ", told.detail),
    faults.length > 0 ? el("ul", {}, ...faults) : null,
  );
}

/** A form of these fields. `act` does it and tells what was done, or throws a problem. */
export function form(label, button, parts, act) {
  const outcome = new Outcome();
  const submit = el("button", { type: "submit", class: "main" }, button);
  const element = el(
    "form",
    { "aria-label": label, novalidate: true },
    ...parts,
    el("div", { class: "act" }, submit, outcome.element),
  );
  let busy = false;
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    submit.setAttribute("aria-disabled", "true");
    mark(element, []);
    await act().then(
      (told) => (told ? outcome.done(...[told].flat()) : outcome.clear()),
      (problem) => {
        outcome.failed(problem);
        mark(element, problem.violations ?? []);
      },
    );
    busy = false;
    submit.removeAttribute("aria-disabled");
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element.requestSubmit();
  });
  return element;
}

/** Marks the controls that the server faults, and goes to the first. */
function mark(element, violations) {
  const faulted = new Set(violations.map(({ field }) => field));
  let first = null;
  for (const control of element.querySelectorAll("[data-field]")) {
    const fault = faulted.has(control.dataset.field);
    control.toggleAttribute("aria-invalid", false);
    if (fault) control.setAttribute("aria-invalid", "true");
    if (fault) first ??= control;
  }
  first?.focus();
}

/** A button that does something at once, and one thing at a time; what came of it is said in `outcome`. */
export function action(words, outcome, act, attributes = {}) {
  let busy = false;
  const button = el("button", { type: "button", onclick: () => once(), ...attributes }, words);
  const once = async () => {
    if (busy) return;
    busy = true;
    button.setAttribute("aria-disabled", "true");
    await act().then((told) => (told ? outcome.done(told) : null), (problem) => outcome.failed(problem));
    busy = false;
    button.removeAttribute("aria-disabled");
  };
  return button;
}
