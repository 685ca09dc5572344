// The page: it turns the outcomes of the long poll into figures, a history, and one plain word
// about the state.

import { Board } from "./board.js";
import { figuresOf, isNumber } from "./figures.js";
import { Header } from "./header.js";
import { History } from "./history.js";
import { LookBack } from "./look_back.js";
import { follow } from "./share.js";

/** `dashboard --doc NAME` serves another document: the address or the page's body names it. */
const asked = new URLSearchParams(location.search).get("doc");
const name = asked || document.body.dataset.doc || "overview";

const header = new Header(name);
const board = new Board(document.getElementById("figures"));
const history = new History();
const lookBack = new LookBack((index) => board.lookAt(index));

let latest = null;
let drawing = false;

// Relative to this file, not to the root: a proxy may serve the dashboard below a path of its own.
const address = new URL(`../${encodeURIComponent(name)}`, import.meta.url).href;

follow(address, (outcome) => {
  const joined = outcome.kind === "document" && !outcome.feedLost;
  header.state(stateAfter(outcome), outcome.reason);
  if (outcome.kind === "document") take(outcome);
  if (!joined) history.breakOff();
});

function stateAfter({ kind, feedLost, reason }) {
  if (kind === "document") return feedLost ? "feed-lost" : "live";
  if (kind === "lost") return "server-lost";
  if (kind === "gone") return reason === "missing" ? "missing" : "gone";
  if (kind === "unfollowed" || kind === "behind") return kind;
  // The server has no data yet. Data that this page already shows is old.
  return latest === null ? "connecting" : "feed-lost";
}

function take({ text, revision, ageMs, feedLost }) {
  const { figures, leftOut } = figuresOf(text);
  const numbers = figures.filter(isNumber).map((figure) => [figure.key, figure.value]);
  // The same revision is also a point, because the figures are still valid, unless the feed is
  // lost.
  if (!feedLost || revision !== latest?.revision) history.add(new Map(numbers));
  latest = { figures, leftOut, revision };
  header.data(revision, ageMs);
  drawSoon();
}

/** The document is drawn at most once a frame, and not while the page is hidden. */
function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    board.show(latest.figures, latest.leftOut, history);
    // uPlot moves its axes in a microtask. After that the selected moment has its new place.
    queueMicrotask(() => lookBack.show(history.moments));
  });
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => board.recolour());
addEventListener("beforeprint", () => board.draw());
