// Elements. Whatever is put in is text: nothing here, or anywhere in the console, parses HTML.

/** An element with these attributes and children. `onclick` and its like are listened to, `false` and `null` left out. */
export function el(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

/** The same of a drawing. */
export function svg(name, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Puts a text where another may stand, and touches nothing where it is the same. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Text that strangers wrote: its direction turns nothing around it. */
export function theirs(text) {
  return el("bdi", {}, text);
}

/** Rows that stay what they are as long as their things do, so that focus and selection stay where they are. */
export class Rows {
  #body;
  #make;
  #rows = new Map();

  /** `make` makes `{ element, update(item) }`. */
  constructor(body, make) {
    this.#body = body;
    this.#make = make;
  }

  /** Shows these, in this order. */
  show(items, key) {
    // first of all: a row that is moved past one that goes would lose its focus
    this.#drop(new Set(items.map(key)));
    let next = this.#body.firstChild;
    for (const item of items) {
      const row = this.#rows.get(key(item)) ?? this.#make(item);
      this.#rows.set(key(item), row);
      row.update(item);
      if (row.element === next) next = next.nextSibling;
      else this.#body.insertBefore(row.element, next);
    }
  }

  #drop(staying) {
    for (const [name, row] of this.#rows) {
      if (staying.has(name)) continue;
      row.element.remove();
      this.#rows.delete(name);
    }
  }
}
