// The shared worker: one poll for each document, however many tabs of the browser show it.
//
// A tab sends `{ url, verb }`. Its first "hello" asks for the document at `url`. Later ones show
// that the tab still exists, because a worker is not notified if a tab crashes. Each hello is
// answered; outcomes are sent as `{ outcome }`.

import { Poll } from "./poll.js";
import { Turns } from "./turns.js";

/** Browsers run the timers of a hidden tab once a minute. A frozen tab sends a hello later. */
const SILENT_MS = 5 * 60_000;

const turns = new Turns();
const followed = new Map();

class Followed {
  /** When the last message of each tab arrived. */
  #tabs = new Map();
  #last = null;
  #lastMs = 0;
  #poll;

  constructor(url) {
    this.#poll = new Poll(url, turns, (outcome) => {
      this.#last = outcome;
      this.#lastMs = performance.now();
      for (const tab of this.#tabs.keys()) tab.postMessage({ outcome });
    });
  }

  get isAlone() {
    return this.#tabs.size === 0;
  }

  hear(tab, verb) {
    if (verb === "bye") return this.#tabs.delete(tab);
    const isNew = !this.#tabs.has(tab);
    this.#tabs.set(tab, performance.now());
    if (verb === "wake") this.#poll.wake();
    if (verb === "online") this.#poll.online();
    if (verb === "offline") this.#poll.offline();
    tab.postMessage(isNew && this.#last !== null ? { outcome: this.#asItIsNow() } : {});
  }

  forgetSilentTabs() {
    const leastMs = performance.now() - SILENT_MS;
    for (const [tab, heardMs] of this.#tabs) if (heardMs < leastMs) this.#tabs.delete(tab);
  }

  stop() {
    this.#poll.stop();
  }

  /** Returns an outcome for a tab that joins later, with the current age of the data. */
  #asItIsNow() {
    if (this.#last.kind !== "document") return this.#last;
    return { ...this.#last, ageMs: this.#last.ageMs + performance.now() - this.#lastMs };
  }
}

function hear(tab, url, verb) {
  if (!followed.has(url)) {
    if (verb === "bye") return;
    followed.set(url, new Followed(url));
  }
  followed.get(url).hear(tab, verb);
  for (const [known, document] of followed) {
    document.forgetSilentTabs();
    if (!document.isAlone) continue;
    document.stop();
    followed.delete(known);
  }
}

addEventListener("connect", ({ ports: [tab] }) => {
  tab.onmessage = ({ data: { url, verb } }) => hear(tab, url, verb);
});
