// An array of numbers: one card with a bar for each.

import { element } from "./elements.js";
import { Frame } from "./frame.js";
import { numberText, rangeOf } from "./wording.js";

export class Series {
  #frame;
  #count = element("span", "difference");
  #values = [];

  constructor(figure) {
    this.#frame = new Frame(figure, (index) => this.#said(index));
    this.#frame.head.append(this.#count);
  }

  get element() {
    return this.#frame.element;
  }

  /** Shows the array. Returns false: no single number has changed. */
  show({ values }) {
    this.#values = values;
    this.#count.textContent = `${values.length} number${values.length === 1 ? "" : "s"}`;
    const { low, high } = rangeOf(values);
    const range = `low ${low}, high ${high}`;
    const all = `${values.length} in all, lowest ${low}, highest ${high}`;
    this.#frame.show({ numbers: values }, { what: "Numbers", range, all });
    return false;
  }

  /** A bar is no number that could be coloured. */
  mark() {}

  draw() {
    this.#frame.draw();
  }

  /** An array has no history to look back into. */
  lookAt() {}

  recolour() {
    this.#frame.recolour();
  }

  remove() {
    this.#frame.remove();
  }

  #said(index) {
    return `${numberText(this.#values[index])}, number ${index + 1} of ${this.#values.length}`;
  }
}
