// All figures of the document, in groups: a heading, its facts, its tables, its cards.

import { Card } from "./card.js";
import { element, forget, reachable, shortened, spaced } from "./elements.js";
import { Series } from "./series.js";
import { Table } from "./table.js";
import { Value } from "./value.js";

/** The number of colours for groups in page.css. */
const COLOURS = 6;
/** The largest number of names in a heading. In a deep document these are the innermost ones. */
const MOST_NAMES = 6;
/** How long a changed number is coloured. */
const NEW_MS = 700;

const CARDS = { number: Card, series: Series };

export class Board {
  #place;
  /** The cards by key, kind and the names above. A figure with another name is another card. */
  #cards = new Map();
  #facts = new Map();
  #tables = new Map();
  #colours = new Map();
  #shape = null;
  #settling = null;

  constructor(place) {
    this.#place = place;
  }

  /** Shows `figures` with their `history`, and removes all others. */
  show(figures, leftOut, history) {
    // Most changes only change numbers. The groups are rebuilt only when the names have changed.
    const shape = JSON.stringify([leftOut, figures.map(idOf)]);
    if (shape !== this.#shape) this.#build(figures, leftOut);
    this.#shape = shape;
    const changed = [];
    for (const figure of figures) {
      if (figure.kind === "fact") this.#facts.get(figure.key).show(figure.value);
      else if (figure.kind === "table") this.#tables.get(figure.key).show(figure);
      else {
        const card = this.#cards.get(idOf(figure));
        if (card.show(figure, history)) changed.push(card);
      }
    }
    this.#mark(changed);
  }

  lookAt(index) {
    for (const card of this.#cards.values()) card.lookAt(index);
  }

  /** Draws all charts, also those out of sight, because paper shows them. */
  draw() {
    for (const card of this.#cards.values()) card.draw();
  }

  recolour() {
    for (const card of this.#cards.values()) card.recolour();
  }

  /** A class is changed twice, because an animation of the colour would paint in each frame. */
  #mark(changed) {
    if (changed.length === 0) return;
    clearTimeout(this.#settling);
    const settle = () => {
      for (const card of this.#cards.values()) card.mark(false);
    };
    settle();
    for (const card of changed) card.mark(true);
    this.#settling = setTimeout(settle, NEW_MS);
  }

  #build(figures, leftOut) {
    const kept = this.#cards;
    for (const { element: old } of this.#tables.values()) forget(old);
    for (const facts of this.#place.querySelectorAll(".facts")) forget(facts);
    this.#cards = new Map();
    this.#facts = new Map();
    this.#tables = new Map();
    const groups = new Map();
    for (const figure of figures) {
      const id = figure.parent;
      if (!groups.has(id)) groups.set(id, groupOf(figure.group));
      const group = groups.get(id);
      if (figure.kind === "fact") group.facts.append(this.#fact(figure));
      else if (figure.kind === "table") group.tables.append(this.#table(figure));
      else group.cards.append(this.#card(figure, kept).element);
    }
    for (const card of kept.values()) card.remove();
    this.#colour(groups);
    this.#place.replaceChildren(...[...groups.values()].map(filled));
    if (figures.length === 0) this.#place.append(note("The document contains no figures."));
    if (leftOut > 0) this.#place.append(note(`${leftOut} more are not shown.`));
  }

  /** A group keeps its colour while it exists. A new one gets the least used colour. */
  #colour(groups) {
    const colours = new Map();
    const counts = new Array(COLOURS).fill(0);
    const give = (id, colour) => {
      colours.set(id, colour);
      counts[colour] += 1;
    };
    for (const id of groups.keys()) {
      if (this.#colours.has(id)) give(id, this.#colours.get(id));
    }
    for (const [id, { section }] of groups) {
      if (!colours.has(id)) give(id, counts.indexOf(Math.min(...counts)));
      section.dataset.colour = colours.get(id);
    }
    this.#colours = colours;
  }

  #card(figure, kept) {
    const id = idOf(figure);
    const card = kept.get(id) ?? new CARDS[figure.kind](figure);
    kept.delete(id);
    this.#cards.set(id, card);
    return card;
  }

  #table(figure) {
    const table = new Table(figure);
    this.#tables.set(figure.key, table);
    return table.element;
  }

  #fact(figure) {
    const pair = element("div");
    const name = element("dt");
    const value = element("dd");
    name.textContent = spaced(figure.label);
    name.title = [...figure.group, figure.label].join(" / ");
    reachable(value);
    pair.append(name, value);
    pair.dataset.key = figure.key;
    this.#facts.set(figure.key, new Value(value));
    return pair;
  }
}

function idOf({ kind, key, group }) {
  return JSON.stringify([key, kind, group]);
}

function groupOf(names) {
  const section = element("section", "group");
  const heading = element("h2");
  heading.textContent = headingOf(names);
  shortened(heading, names.join(" / "), names.length > MOST_NAMES);
  if (names.length === 0) heading.classList.add("plain");
  return {
    section,
    heading,
    facts: element("dl", "facts"),
    tables: element("div", "tables"),
    cards: element("div", "cards"),
  };
}

function filled({ section, heading, facts, tables, cards }) {
  // The share of a row that the group asks for; see `.group` in page.css.
  section.style.setProperty("--cards", Math.max(1, cards.childElementCount));
  section.append(heading, ...[facts, tables, cards].filter((part) => part.hasChildNodes()));
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
