// Figures over the last minute, of what was asked: lines without axes.

import { svg } from "./dom.js";

const POINTS = 60;
const LONGEST_STEP_S = 30;
const MOST_SERIES = 500;
const WIDTH = 120;
const HEIGHT = 24;

/** The last figures of one thing. */
export class Series {
  points = [];

  push(value) {
    this.points.push(value);
    if (this.points.length > POINTS) this.points.shift();
  }

  get last() {
    return this.points.at(-1);
  }
}

/** How often something happens in a second, by a count that only rises. */
export class Rate extends Series {
  #before = null;

  /** The count, and when it was asked, in milliseconds. Where it fell, the count began anew. */
  count(value, at = performance.now()) {
    const before = this.#before;
    this.#before = { value, at };
    if (!before || value < before.value) return;
    const seconds = (at - before.at) / 1000;
    // after a while away a mean of all of it would be drawn as if it were a moment
    if (seconds > LONGEST_STEP_S) this.points = [];
    else if (seconds > 0) this.push((value - before.value) / seconds);
  }
}

/** Things by their names; who was not asked for the longest time goes first. */
export class Book {
  #entries = new Map();
  #make;

  constructor(make) {
    this.#make = make;
  }

  of(name) {
    const entry = this.#entries.get(name) ?? this.#make();
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    if (this.#entries.size > MOST_SERIES) this.#entries.delete(this.#entries.keys().next().value);
    return entry;
  }
}

/** A line that is drawn anew each time; `unit` is said to those who do not see it. */
export class Spark {
  #line = svg("polyline", { class: "line" });
  #area = svg("polygon", { class: "area" });
  #title = svg("title");
  #unit;

  constructor(unit) {
    this.#unit = unit;
    const box = { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" };
    const foot = svg("line", { class: "foot", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT });
    this.element = svg("svg", box, this.#title, this.#area, foot, this.#line);
  }

  draw({ points }) {
    const most = Math.max(...points, 0);
    const step = WIDTH / (POINTS - 1);
    const left = WIDTH - step * Math.max(points.length - 1, 0);
    const height = (value) => HEIGHT - 1.5 - (most > 0 ? (value / most) * (HEIGHT - 4) : 0);
    const corners = points.map((value, place) => `${(left + step * place).toFixed(1)},${height(value).toFixed(1)}`);
    this.#line.setAttribute("points", corners.join(" "));
    const foot = points.length > 1 ? [`${WIDTH},${HEIGHT}`, `${left.toFixed(1)},${HEIGHT}`] : [];
    this.#area.setAttribute("points", points.length > 1 ? [...corners, ...foot].join(" ") : "");
    this.#title.textContent = `The last minute: at most ${Math.round(most * 10) / 10} ${this.#unit}`;
  }
}
