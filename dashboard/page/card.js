// One figure: its name, its number, the difference to the number before, and its history.

import { element, shortened } from "./elements.js";
import { Frame } from "./frame.js";
import { clockText, differenceText, isRounded, numberText, rangeOf } from "./wording.js";

export class Card {
  #frame;
  #number = element("p", "number");
  #difference = element("span", "difference");
  #written = null;
  #history = null;
  #numbers = [];

  constructor(figure) {
    this.#frame = new Frame(figure, (index) => this.#said(index));
    this.#frame.head.append(this.#difference);
    this.#frame.head.after(this.#number);
  }

  get element() {
    return this.#frame.element;
  }

  /** Shows the figure's number. Returns true if another number was shown before. */
  show({ key, written }, history) {
    this.#history = history;
    this.#numbers = history.of(key);
    const { times } = history;
    const inWords = historyInWords(this.#numbers, written);
    const momentAt = (time) => history.momentAt(time);
    this.#frame.show({ times, numbers: this.#numbers, momentAt }, inWords);
    if (written === this.#written) return false;
    const before = this.#written;
    this.#written = written;
    this.#showNumber(written);
    const difference = before === null ? "" : differenceText(written, before);
    // The difference stays until the next change, because readers look up after a change.
    if (difference !== "") this.#showDifference(difference);
    return difference !== "";
  }

  /** Marks the number as changed just now, or removes the mark. */
  mark(isNew) {
    this.#number.classList.toggle("new", isNew);
  }

  draw() {
    this.#frame.draw();
  }

  lookAt(index) {
    this.#frame.lookAt(index);
  }

  recolour() {
    this.#frame.recolour();
  }

  remove() {
    this.#frame.remove();
  }

  #showNumber(written) {
    const text = numberText(written);
    // The style sheet makes long numbers smaller, so that they fit into their card.
    if (text.length !== this.#number.textContent.length) {
      this.#number.style.setProperty("--length", text.length);
    }
    this.#number.textContent = text;
    shortened(this.#number, written, isRounded(text, written));
  }

  #showDifference(text) {
    // Screen readers read the sign; the arrow is only visible.
    const arrow = element("span", "arrow");
    arrow.setAttribute("aria-hidden", "true");
    arrow.textContent = text.startsWith("+") ? "\u25b2" : "\u25bc";
    this.#difference.replaceChildren(arrow, text);
  }

  #said(index) {
    const number = this.#numbers[index] ?? null;
    const text = number === null ? "no data" : numberText(number);
    const { moments } = this.#history;
    return `${text} at ${clockText(moments[index], 1, moments.at(-1) - moments[index])}`;
  }
}

function historyInWords(numbers, written) {
  const range = rangeOf(numbers);
  const latest = `latest ${numberText(written)}`;
  if (range === null) return { what: "History", range: "", all: latest };
  const { low, high } = range;
  const all = `lowest ${low}, highest ${high}, ${latest}`;
  return { what: "History", range: `low ${low}, high ${high}`, all };
}
