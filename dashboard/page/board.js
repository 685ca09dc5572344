// All figures of the document, in groups: a heading, its cards, its facts.

import { Card, element, spaced } from "./card.js";
import { isNumber } from "./figures.js";

/** The groups take turns with the colours that page.css names. */
const COLOURS = 6;
/** Of a very deep document only the innermost names make a heading. */
const MOST_NAMES = 6;

export class Board {
  #place;
  #cards = new Map();
  #facts = new Map();
  #colours = new Map();
  #shape = null;

  constructor(place) {
    this.#place = place;
  }

  /** Shows `figures` with their `history`; what is no longer among them goes. */
  show(figures, leftOut, history) {
    // Most changes change numbers only. The groups are built anew only when the names changed.
    const names = figures.map((figure) => [figure.key, isNumber(figure)]);
    const shape = JSON.stringify([leftOut, names]);
    if (shape !== this.#shape) this.#build(figures, leftOut);
    this.#shape = shape;
    for (const figure of figures) {
      const { key, value } = figure;
      if (isNumber(figure)) this.#cards.get(key).show(value, history.times, history.of(key));
      else setText(this.#facts.get(key), String(value));
    }
  }

  lookAt(index) {
    for (const card of this.#cards.values()) card.lookAt(index);
  }

  recolour() {
    for (const card of this.#cards.values()) card.recolour();
  }

  #build(figures, leftOut) {
    const kept = this.#cards;
    this.#cards = new Map();
    this.#facts = new Map();
    const groups = new Map();
    for (const figure of figures) {
      const id = JSON.stringify(figure.group);
      if (!groups.has(id)) groups.set(id, this.#group(id, figure.group));
      const group = groups.get(id);
      if (isNumber(figure)) {
        const card = kept.get(figure.key) ?? new Card(figure);
        kept.delete(figure.key);
        this.#cards.set(figure.key, card);
        group.cards.append(card.element);
      } else {
        group.facts.append(this.#fact(figure));
      }
    }
    for (const card of kept.values()) card.remove();
    this.#place.replaceChildren(...[...groups.values()].map(filled));
    if (figures.length === 0) this.#place.append(note("The document holds no figures."));
    if (leftOut > 0) this.#place.append(note(`${leftOut} more are not shown.`));
  }

  #group(id, names) {
    if (!this.#colours.has(id)) this.#colours.set(id, this.#colours.size % COLOURS);
    const section = element("section", "group");
    section.dataset.colour = this.#colours.get(id);
    const heading = element("h2");
    heading.textContent = headingOf(names);
    heading.title = names.join(" / ");
    // Figures at the top of the document need no heading for the eye, but one for the ear.
    if (names.length === 0) heading.className = "unseen";
    return { section, heading, cards: element("div", "cards"), facts: element("dl", "facts") };
  }

  #fact(figure) {
    const pair = element("div");
    const name = element("dt");
    const value = element("dd");
    name.textContent = spaced(figure.label);
    name.title = [...figure.group, figure.label].join(" / ");
    pair.append(name, value);
    this.#facts.set(figure.key, value);
    return pair;
  }
}

function filled({ section, heading, cards, facts }) {
  // How much of a row the group asks for; see `.group` in page.css.
  section.style.setProperty("--cards", Math.max(1, cards.childElementCount));
  section.append(heading, ...[facts, cards].filter((part) => part.hasChildNodes()));
  return section;
}

function headingOf(names) {
  if (names.length === 0) return "Document";
  const shown = names.slice(-MOST_NAMES).map(spaced).join(" / ");
  return names.length > MOST_NAMES ? `\u2026 / ${shown}` : shown;
}

function note(text) {
  const paragraph = element("p", "empty");
  paragraph.textContent = text;
  return paragraph;
}

function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
