// An array of objects as a small table.

import { element, reachable, setText, spaced } from "./elements.js";
import { Value } from "./value.js";

/** Tables are for reading, not for searching. A larger table shows how much it omits. */
const MOST_ROWS = 100;
const MOST_COLUMNS = 12;

export class Table {
  element = element("div", "table");
  #table = element("table");
  #caption = element("caption");
  #note = element("p", "left-out");
  #shape = null;
  #headings = [];
  #values = [];

  constructor(figure) {
    this.#caption.textContent = spaced(figure.label);
    this.#caption.title = [...figure.group, figure.label].join(" / ");
    this.element.dataset.key = figure.key;
    this.element.append(this.#table, this.#note);
    reachable(this.element);
  }

  show({ columns, rows }) {
    const shownColumns = columns.slice(0, MOST_COLUMNS);
    const shownRows = rows.slice(0, MOST_ROWS);
    const shape = JSON.stringify([shownColumns, shownRows.length]);
    if (shape !== this.#shape) this.#build(shownColumns, shownRows.length);
    this.#shape = shape;
    shownRows.forEach((row, at) => {
      this.#values[at].forEach((value, column) => value.show(row[column]));
    });
    this.#headings.forEach((heading, column) => {
      const isNumeric = shownRows.every(({ [column]: value }) =>
        value === undefined || value?.written !== undefined);
      heading.classList.toggle("figure", isNumeric);
    });
    const left = [[rows.length - MOST_ROWS, "row"], [columns.length - MOST_COLUMNS, "column"]]
      .filter(([count]) => count > 0)
      .map(([count, what]) => `${count} more ${what}${count === 1 ? "" : "s"}`);
    setText(this.#note, left.length > 0 ? `${left.join(" and ")} not shown.` : "");
    this.#note.hidden = left.length === 0;
  }

  #build(columns, count) {
    const names = element("tr");
    this.#headings = columns.map((name) => {
      const cell = element("th");
      cell.scope = "col";
      cell.textContent = spaced(name);
      cell.title = name;
      return cell;
    });
    names.append(...this.#headings);
    const [head, body] = [element("thead"), element("tbody")];
    head.append(names);
    this.#values = Array.from({ length: count }, () => {
      const row = element("tr");
      const cells = columns.map(() => element("td"));
      row.append(...cells);
      body.append(row);
      return cells.map((cell) => new Value(cell));
    });
    this.#table.replaceChildren(this.#caption, head, body);
  }
}
