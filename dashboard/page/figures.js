// From any JSON document to a flat list of figures.

/** More cards than this help nobody; the page says how many it left out. */
export const MOST_FIGURES = 1_000;

/**
 * The leaves of `json` in document order, at most `MOST_FIGURES`, and how many more there are.
 * Each is `{ key, group, label, value }`: `key` is the JSON Pointer (RFC 6901), so it is unique
 * whatever the names hold; `group` is the list of names above the leaf; `label` is its own name.
 * A finite number is a figure; all else (text, truth values, null) is a fact.
 */
export function figuresOf(json) {
  const figures = [];
  let leftOut = 0;
  // A stack, not recursion: a document may be nested deeper than the browser's call stack.
  const stack = [{ key: "", above: null, label: "value", value: json }];
  while (stack.length > 0) {
    const node = stack.pop();
    if (node.value === null || typeof node.value !== "object") {
      if (figures.length < MOST_FIGURES) figures.push(node);
      else leftOut += 1;
      continue;
    }
    // The names above are kept as a linked list, and spelled out for the leaves that are shown.
    const above = node.key === "" ? null : { name: node.label, above: node.above };
    // At the top CouchDB reserves every name that begins with an underscore: `_id`, `_rev`, ...
    const isShown = (name) => node.key !== "" || !name.startsWith("_");
    for (const name of Object.keys(node.value).filter(isShown).reverse()) {
      const key = `${node.key}/${escape(name)}`;
      stack.push({ key, above, label: name, value: node.value[name] });
    }
  }
  for (const figure of figures) figure.group = namesOf(figure.above);
  return { figures, leftOut };
}

/** What can be charted. JSON's 1e999 becomes Infinity, which cannot. */
export function isNumber(figure) {
  return typeof figure.value === "number" && Number.isFinite(figure.value);
}

function namesOf(above) {
  const names = [];
  for (let link = above; link; link = link.above) names.push(link.name);
  return names.reverse();
}

function escape(name) {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
