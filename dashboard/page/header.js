// The header: the name of the document, its revision, its age, and the state of the connection.

import { reachable, setText, shortened } from "./elements.js";
import { ageText } from "./wording.js";

const STATES = {
  "connecting": "Connecting",
  "live": "Live",
  "server-lost": "Server unreachable, retrying",
  "feed-lost": "Feed disconnected, showing the last known data",
  "gone": "Document was deleted",
  "missing": "Document does not exist yet",
  "unfollowed": "This dashboard does not follow this document",
  "behind": "Server is behind, showing newer data",
};
/** States that have the look of another state. */
const LOOKS = { "missing": "connecting", "unfollowed": "gone", "behind": "feed-lost" };
const TICK_MS = 1_000;

export class Header {
  #name;
  /** When the data was new, by the wall clock and the steady clock; null without data. */
  #since = null;
  #sinceSteady = null;
  #text = document.getElementById("state-text");
  #data = document.getElementById("data");
  #age = document.getElementById("age");
  #revision = document.getElementById("revision");

  constructor(name) {
    this.#name = name;
    document.title = name;
    const heading = document.getElementById("name");
    heading.textContent = name;
    reachable(heading);
    reachable(this.#revision);
    setInterval(() => this.#tick(), TICK_MS);
  }

  /** The only live region of the page: screen readers read changes of the state, not of numbers. */
  state(state, reason = "") {
    const text = state === "connecting" && reason ? `${STATES[state]}: ${reason}` : STATES[state];
    if (this.#text.textContent === text) return;
    this.#text.textContent = text;
    shortened(this.#text, reason, !text.includes(reason));
    document.body.dataset.state = LOOKS[state] ?? state;
    // A tab in the background shows only its title.
    document.title = state === "live" ? this.#name : `${this.#name}: ${STATES[state]}`;
  }

  data(revision, ageMs) {
    this.#since = Date.now() - ageMs;
    this.#sinceSteady = performance.now() - ageMs;
    this.#age.dateTime = new Date(this.#since).toISOString();
    this.#revision.textContent = revision ?? "unknown";
    this.#revision.title = revision ?? "";
    this.#data.hidden = false;
    this.#tick();
  }

  #tick() {
    if (this.#since === null) return;
    // The steady clock stops while a computer sleeps, and a wall clock may be set back. The data is
    // never shown as newer than it is.
    const steady = performance.now() - this.#sinceSteady;
    setText(this.#age, ageText(Math.max(steady, Date.now() - this.#since)));
  }
}
