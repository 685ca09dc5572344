// From any JSON document to a flat list of figures.

/** The largest number of figures. The page shows how many it omits. */
export const MOST_FIGURES = 1_000;

/** Members that describe an element of an array better than its index, the best first. */
const NAMING = ["name", "title", "label", "id"];

/** Strings (names too) and numbers. A string is read as one piece, whatever it contains. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;

/**
 * Returns the figures of a JSON text in document order, at most `MOST_FIGURES`, and the number of
 * further figures. Each has `key`, its JSON Pointer (RFC 6901), which is unique for any names.
 * `parent` is the key of the object or array around it, `group` the names above it, and `label` its
 * own name. Its `kind` is one of:
 *
 * - `number`: `value` is the double for the chart, `written` the number as the text has it
 * - `series`: a whole array of numbers, in `values`
 * - `table`: a whole array of objects without inner objects; `columns` are names, `rows` scalars
 * - `fact`: everything else; `value` is a scalar
 *
 * A scalar is a string, true, false, null or `{ written }`, a number.
 */
export function figuresOf(text) {
  const figures = [];
  let leftOut = 0;
  // A stack, not recursion: a document may be nested deeper than the browser's call stack.
  const stack = [{ key: "", parent: "", above: null, label: "value", value: parsed(text) }];
  while (stack.length > 0) {
    const { value, ...place } = stack.pop();
    const figure = figureOf(value, place.key === "");
    if (figure !== null) {
      if (figures.length < MOST_FIGURES) figures.push({ ...place, ...figure });
      else leftOut += 1;
      continue;
    }
    // The names above are kept as a linked list, and are only joined for figures that are shown.
    const isTop = place.key === "";
    const above = isTop ? null : { name: nameOf(place.label, value), above: place.above };
    // CouchDB reserves all names at the top that start with an underscore: `_id`, `_rev`, ...
    const shown = membersOf(value).filter(([name]) => !isTop || !name.startsWith("_"));
    for (const [name, inner] of shown.reverse()) {
      const key = `${place.key}/${escape(name)}`;
      stack.push({ key, parent: place.key, above, label: name, value: inner });
    }
  }
  for (const figure of figures) figure.group = namesOf(figure.above);
  return { figures, leftOut };
}

/** Returns true for a number with a history. 1e999 in JSON is not a double, so it is a fact. */
export function isNumber(figure) {
  return figure.kind === "number";
}

/**
 * Parses a JSON text so that no number is rounded and every name keeps its place: each number
 * becomes a string, `#` and the number as written; `$` is put before strings and names.
 */
function parsed(text) {
  const marked = (token) => (token[0] === '"' ? `"$${token.slice(1)}` : `"#${token}"`);
  return JSON.parse(text.replace(TOKEN, marked));
}

/** Returns `value` as one figure, or null if its members are separate figures. */
function figureOf(value, isTop) {
  if (!isContainer(value)) return figureOfScalar(scalarOf(value));
  if (Object.keys(value).length === 0) {
    return isTop ? null : { kind: "fact", value: "" };
  }
  if (!Array.isArray(value)) return null;
  if (value.every(isDouble)) return { kind: "series", values: value.map(doubleOf) };
  return value.every(isFlat) ? tableOf(value) : null;
}

function figureOfScalar(value) {
  const written = value?.written;
  if (written === undefined || !Number.isFinite(Number(written))) return { kind: "fact", value };
  return { kind: "number", value: Number(written), written };
}

function tableOf(objects) {
  const names = objects.flatMap((object) => membersOf(object).map(([name]) => name));
  const columns = [...new Set(names)];
  const cell = (object, name) => {
    const value = object[`$${name}`];
    return value === undefined ? undefined : scalarOf(value);
  };
  const rows = objects.map((object) => columns.map((name) => cell(object, name)));
  return { kind: "table", columns, rows };
}

function scalarOf(value) {
  if (typeof value !== "string") return value;
  return value[0] === "#" ? { written: value.slice(1) } : value.slice(1);
}

function isContainer(value) {
  return value !== null && typeof value === "object";
}

function isDouble(value) {
  return typeof value === "string" && value[0] === "#" && Number.isFinite(doubleOf(value));
}

function doubleOf(value) {
  return Number(value.slice(1));
}

function isFlat(value) {
  return isContainer(value) && !Array.isArray(value) && !Object.values(value).some(isContainer);
}

function membersOf(value) {
  if (Array.isArray(value)) return value.map((inner, index) => [String(index), inner]);
  return Object.keys(value).map((name) => [name.slice(1), value[name]]);
}

/** `stations / north` reads better than `stations / 0`. */
function nameOf(label, value) {
  if (!/^\d+$/.test(label) || Array.isArray(value)) return label;
  const named = NAMING.map((name) => value[`$${name}`]);
  const found = named.find((name) => typeof name === "string" && /^\$.*\S/.test(name));
  return found === undefined ? label : found.slice(1);
}

function namesOf(above) {
  const names = [];
  for (let link = above; link; link = link.above) names.push(link.name);
  return names.reverse();
}

function escape(name) {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
