// One scalar in words: a text, a date, a link, a truth value, a number in a table.

import { element, shortened } from "./elements.js";
import { dateText, isRounded, numberText } from "./wording.js";

/** Shows scalars in `place`, one after the other. */
export class Value {
  #place;
  #shown = null;

  constructor(place) {
    this.#place = place;
  }

  /** Shows a scalar as `figuresOf` has it; undefined is a cell without a value. */
  show(value) {
    const id = JSON.stringify(value) ?? "";
    if (id === this.#shown) return;
    this.#shown = id;
    this.#place.classList.toggle("none", value === "");
    this.#place.classList.toggle("figure", value?.written !== undefined);
    this.#place.replaceChildren(contentOf(value));
  }
}

function contentOf(value) {
  if (value === undefined) return "";
  if (value === "") return "(empty)";
  if (typeof value === "string") return ofText(value);
  return value?.written === undefined ? String(value) : numberIn(value.written);
}

function ofText(text) {
  const date = dateText(text);
  if (date !== null) {
    const time = element("time");
    time.dateTime = text;
    time.title = text;
    time.textContent = date;
    return time;
  }
  return isAddress(text) ? linkTo(text) : text;
}

function numberIn(written) {
  const span = element("span");
  span.textContent = numberText(written);
  shortened(span, written, isRounded(span.textContent, written));
  return span;
}

/** Only web addresses without a user, because `https://bank@elsewhere` misleads readers. */
function isAddress(text) {
  if (!/^https?:\/\/\S+$/i.test(text) || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && username === "" && password === "";
}

function linkTo(address) {
  const link = element("a");
  link.href = address;
  // The opened page gets no reference to this one.
  link.rel = "noopener noreferrer";
  link.target = "_blank";
  link.textContent = address;
  return link;
}
