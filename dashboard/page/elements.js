// Helpers for the document of the browser.

export function element(tag, className = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}

export function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** `open_tickets` reads better as words; the exact name is in the title. */
export function spaced(name) {
  return name.replaceAll("_", " ").trim() || name || "(no name)";
}

/**
 * Makes truncated text readable by keyboard and touch: `part` can be focused while its text does
 * not fit, and page.css then shows all of it. Text that fits is not in the tab order, which stays
 * short.
 */
export function reachable(part) {
  parts.observe(part);
  part.addEventListener("blur", () => measure(part));
}

/** Ends `reachable` in `root` and below it. */
export function forget(root) {
  for (const part of [root, ...root.querySelectorAll("*")]) parts.unobserve(part);
}

/** Sets a title for a shortened text. A focused element shows the title. */
export function shortened(part, whole, isCut) {
  part.title = whole;
  part.classList.toggle("shortened", isCut);
  if (isCut) part.tabIndex = 0;
  else part.removeAttribute("tabindex");
}

const parts = new ResizeObserver((entries) => {
  for (const { target } of entries) measure(target);
});

function measure(part) {
  // While it has the focus it is shown in full. It must stay a tab stop until it loses the focus.
  if (part === document.activeElement) return;
  const { scrollWidth, scrollHeight, clientWidth, clientHeight } = part;
  const isCut = scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1;
  if (isCut) part.tabIndex = 0;
  else part.removeAttribute("tabindex");
}
