// One poll for all tabs of the browser that show the same document.
//
// A shared worker polls and informs every tab. It needs no https and no leading tab: if a tab is
// closed, the others continue. Without such a worker each tab polls by itself, and hidden tabs
// rest, because each waiting poll takes one of the six connections of the browser.

import { Poll } from "./poll.js";
import { Turns } from "./turns.js";

/** A new version needs a new name, because another name is another worker. */
const NAME = "dashboard 1";

const HELLO_MS = 10_000;
/** After this many hellos without an answer the worker does not exist or has stopped. */
const MOST_UNANSWERED = 2;

/** Follows the document at `url`; `report` is called with the outcomes listed at `Poll`. */
export function follow(url, report) {
  let poll;
  try {
    poll = new SharedPoll(url, report, () => { poll = new OwnPoll(url, report); });
  } catch {
    poll = new OwnPoll(url, report); // not supported, or not allowed
  }
  addEventListener("online", () => poll.say("online"));
  addEventListener("offline", () => poll.say("offline"));
  addEventListener("pageshow", () => poll.say("wake"));
  addEventListener("pagehide", () => poll.say("bye"));
  document.addEventListener("visibilitychange", () => {
    poll.say(document.visibilityState === "visible" ? "wake" : "hide");
  });
}

class SharedPoll {
  #port;
  #url;
  #unanswered = 0;
  #timer;
  #failed;

  constructor(url, report, failed) {
    this.#url = url;
    this.#failed = failed;
    const script = new URL("worker.js", import.meta.url);
    const worker = new SharedWorker(script, { type: "module", name: NAME });
    worker.onerror = () => this.#fail();
    this.#port = worker.port;
    this.#port.onmessage = ({ data: { outcome } }) => {
      this.#unanswered = 0;
      if (outcome) report(outcome);
    };
    this.#timer = setInterval(() => this.#greet(), HELLO_MS);
    this.#greet();
  }

  say(verb) {
    if (verb !== "hide") this.#port.postMessage({ url: this.#url, verb });
  }

  #greet() {
    if (this.#unanswered === MOST_UNANSWERED) return this.#fail();
    this.#unanswered += 1;
    this.say("hello");
  }

  #fail() {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#port.onmessage = null;
    this.say("bye");
    this.#failed();
  }
}

class OwnPoll {
  #poll;

  constructor(url, report) {
    this.#poll = new Poll(url, new Turns(), report);
    if (document.visibilityState === "hidden") this.#poll.rest();
  }

  say(verb) {
    if (verb === "hide" || verb === "bye") this.#poll.rest();
    else if (verb === "wake") this.#poll.wake();
    else if (verb === "online") this.#poll.online();
    else this.#poll.offline();
  }
}
