// One figure: its name, its number, the difference to the number before, and its history.

import { Chart } from "./chart.js";
import { clockText, differenceText, numberText } from "./wording.js";

const FLASH_MS = 700;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Cards out of sight cost nothing: their charts are made and drawn when they are scrolled to. */
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) cards.get(target)?.seen(isIntersecting);
}, { rootMargin: "200px" });
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) cards.get(target)?.resized();
});
const cards = new WeakMap();

export class Card {
  element = element("article", "card");
  #label = element("h3");
  #number = element("p", "number");
  #difference = element("span", "difference");
  #chartPlace = element("div", "chart");
  #range = element("p", "range");
  #chart = null;
  #inSight = false;
  #stale = true;
  #value = null;
  #data = [[], []];
  #name;

  constructor(figure) {
    this.#name = [...figure.group, figure.label].join(" / ");
    this.#label.textContent = spaced(figure.label);
    this.#label.title = this.#name;
    const head = element("div", "head");
    head.append(this.#label, this.#difference);
    this.#chartPlace.setAttribute("role", "img");
    this.element.dataset.key = figure.key;
    this.element.append(head, this.#number, this.#chartPlace, this.#range);
    cards.set(this.element, this);
    cards.set(this.#chartPlace, this);
    sight.observe(this.element);
    sizes.observe(this.#chartPlace);
  }

  show(value, times, numbers) {
    this.#data = [times, numbers];
    this.#stale = true;
    const before = this.#value;
    this.#value = value;
    if (value !== before) this.#showNumber(value);
    this.#showDifference(before === null ? "" : differenceText(value, before));
    if (this.#inSight) this.#draw();
  }

  /** Puts the cursor on one moment of the history, or takes it away. */
  lookAt(index) {
    this.#chart?.lookAt(index);
  }

  recolour() {
    this.#chart?.recolour();
  }

  remove() {
    sight.unobserve(this.element);
    sizes.unobserve(this.#chartPlace);
    this.element.remove();
  }

  seen(inSight) {
    this.#inSight = inSight;
    if (inSight && this.#stale) this.#draw();
  }

  resized() {
    this.#chart?.fit();
  }

  #draw() {
    this.#stale = false;
    this.#describe();
    if (this.#chart) this.#chart.show(this.#data);
    else this.#chart = new Chart(this.#chartPlace, this.#data, (index) => this.#looked(index));
  }

  #showNumber(value) {
    const text = numberText(value);
    this.#number.title = String(value);
    // The style sheet sets long numbers smaller, so that they stay inside their card.
    if (text.length !== this.#number.textContent.length) {
      this.#number.style.setProperty("--length", text.length);
    }
    this.#number.textContent = text;
  }

  #showDifference(text) {
    if (text === "" && this.#difference.textContent === "") return;
    const rising = text.startsWith("+");
    const way = text === "" ? "same" : rising ? "up" : "down";
    this.#difference.className = `difference ${way}`;
    // The sign says it in words too; the arrow is for the eye.
    this.#difference.textContent = text;
    if (text === "") return;
    const arrow = element("span", "arrow");
    arrow.setAttribute("aria-hidden", "true");
    arrow.textContent = rising ? "\u25b2" : "\u25bc";
    this.#difference.prepend(arrow);
    if (this.#inSight && !calm.matches) {
      const frames = [{ color: "rgb(var(--colour))" }, {}];
      this.#number.animate(frames, { duration: FLASH_MS, easing: "ease-out" });
    }
  }

  /** The chart in words, for readers who do not see it. */
  #describe() {
    const known = this.#data[1].filter((number) => number !== null);
    const lowest = numberText(Math.min(...known));
    const highest = numberText(Math.max(...known));
    this.#range.textContent = `low ${lowest}, high ${highest}`;
    const figures = `lowest ${lowest}, highest ${highest}, latest ${numberText(this.#value)}`;
    this.#chartPlace.setAttribute("aria-label", `History of ${this.#name}: ${figures}`);
  }

  #looked(index) {
    if (index === null) return this.#describe();
    const [times, numbers] = this.#data;
    const number = numbers[index] ?? null;
    const text = number === null ? "no data" : numberText(number);
    this.#range.textContent = `${text} at ${clockText(times[index])}`;
  }
}

export function element(tag, className = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}

/** `open_tickets` reads better as words; the exact name is in the title. */
export function spaced(name) {
  return name.replaceAll("_", " ").trim() || name || "(no name)";
}
