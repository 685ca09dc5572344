// The slider that looks back: by keyboard and by touch what the mouse does over a chart.

import { clockText } from "./wording.js";

export class LookBack {
  #slider = document.getElementById("look-back");
  #moment = document.getElementById("moment");
  #times = [];
  /** The moment looked at; null for now. */
  #at = null;
  #lookAt;

  constructor(lookAt) {
    this.#lookAt = lookAt;
    this.#slider.addEventListener("input", () => {
      const index = this.#slider.valueAsNumber;
      this.#at = index >= this.#times.length - 1 ? null : this.#times[index];
      this.#tell();
    });
  }

  /** The history has moved on: the slider stays on its moment while that is still known. */
  show(times) {
    const wasLooking = this.#at !== null;
    this.#times = times;
    this.#slider.disabled = times.length < 2;
    this.#slider.max = times.length - 1;
    if (this.#at !== null && this.#at < times[0]) this.#at = null;
    if (wasLooking) this.#tell();
    else this.#place(times.length - 1);
  }

  #tell() {
    const index = this.#at === null ? null : this.#times.indexOf(this.#at);
    this.#place(index ?? this.#times.length - 1);
    this.#lookAt(index);
  }

  #place(index) {
    const text = this.#at === null ? "now" : clockText(this.#at);
    this.#slider.value = index;
    this.#slider.setAttribute("aria-valuetext", text);
    this.#moment.textContent = text;
  }
}
