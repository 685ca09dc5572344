// The slider that looks back: for keyboard and touch, with the same effect as the mouse on a chart.

import { clockText } from "./wording.js";

export class LookBack {
  #slider = document.getElementById("look-back");
  #moment = document.getElementById("moment");
  #moments = [];
  /** The selected moment; null for now. */
  #at = null;
  #lookAt;

  constructor(lookAt) {
    this.#lookAt = lookAt;
    this.#slider.addEventListener("input", () => {
      const index = this.#slider.valueAsNumber;
      this.#at = index >= this.#moments.length - 1 ? null : this.#moments[index];
      this.#tell();
    });
  }

  /** After the history has moved, the slider stays at its moment while that is still known. */
  show(moments) {
    const wasLooking = this.#at !== null;
    this.#moments = moments;
    this.#slider.disabled = moments.length < 2;
    this.#slider.max = moments.length - 1;
    if (!moments.includes(this.#at)) this.#at = null;
    if (wasLooking) this.#tell();
    else this.#place(moments.length - 1);
  }

  #tell() {
    const index = this.#at === null ? null : this.#moments.indexOf(this.#at);
    this.#place(index ?? this.#moments.length - 1);
    this.#lookAt(index);
  }

  #place(index) {
    const ago = this.#moments.at(-1) - this.#at;
    const text = this.#at === null ? "now" : clockText(this.#at, 1, ago);
    this.#slider.value = index;
    this.#slider.setAttribute("aria-valuetext", text);
    this.#moment.textContent = text;
  }
}
