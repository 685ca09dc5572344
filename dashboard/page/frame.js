// The frame of a card: its name, its chart, and the chart in words.

import { Chart } from "./chart.js";
import { element, forget, reachable, setText, spaced } from "./elements.js";

/** A chart is created and drawn only when it is scrolled into view. */
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) frames.get(target)?.seen(isIntersecting);
}, { rootMargin: "200px" });
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) frames.get(target)?.resized();
});
const frames = new WeakMap();

export class Frame {
  element = element("article", "card");
  head = element("div", "head");
  #place = element("div", "chart");
  #range = element("p", "range");
  #chart = null;
  #inSight = false;
  #stale = true;
  #data = null;
  #inWords = null;
  #name;
  #said;

  /** `said(index)` returns the point at `index` in words. */
  constructor(figure, said) {
    this.#name = [...figure.group, figure.label].join(" / ");
    this.#said = said;
    const label = element("h3");
    label.textContent = spaced(figure.label);
    label.title = this.#name;
    reachable(label);
    this.head.append(label);
    this.#place.setAttribute("role", "img");
    this.element.dataset.key = figure.key;
    this.element.append(this.head, this.#place, this.#range);
    frames.set(this.element, this);
    frames.set(this.#place, this);
    sight.observe(this.element);
    sizes.observe(this.#place);
  }

  /** Shows `data` as a chart, and `inWords`: `{ range, all }`, under it and for screen readers. */
  show(data, inWords) {
    this.#data = data;
    this.#inWords = inWords;
    this.#stale = true;
    // Screen readers also read cards that are out of sight.
    this.#describe();
    if (this.#inSight) this.draw();
  }

  /** Draws the chart wherever the card is. */
  draw() {
    if (!this.#stale || this.#data === null) return;
    this.#stale = false;
    if (this.#chart) this.#chart.show(this.#data);
    else this.#chart = new Chart(this.#place, this.#data, (index) => this.#looked(index));
  }

  /** Sets the cursor to one point of the chart, or removes it. */
  lookAt(index) {
    this.#chart?.lookAt(index);
  }

  recolour() {
    this.#chart?.recolour();
  }

  remove() {
    sight.unobserve(this.element);
    sizes.unobserve(this.#place);
    forget(this.element);
    this.#chart?.destroy();
    this.element.remove();
  }

  seen(inSight) {
    this.#inSight = inSight;
    if (inSight) this.draw();
  }

  resized() {
    this.#chart?.fit();
  }

  #describe() {
    setText(this.#range, this.#inWords.range);
    const name = this.#name === "" ? "the value" : this.#name;
    const label = `${this.#inWords.what} of ${name}: ${this.#inWords.all}`;
    if (this.#place.getAttribute("aria-label") !== label) {
      this.#place.setAttribute("aria-label", label);
    }
  }

  #looked(index) {
    if (index === null) this.#describe();
    else setText(this.#range, this.#said(index));
  }
}
