// The long poll of one document: one request at a time, until it is stopped.
//
// The server holds `GET /DOC/REV` until the document has another revision than REV, or until the
// time of a poll is over. It states that time in each answer. So the next request follows each
// answer immediately. Only an immediate answer without news is followed by a pause.
//
// It uses no window and no document, so that it also runs in a worker.

import { Shown } from "./shown.js";

/** The time of a poll until the server has stated it. */
const POLL_MS = 28_000;
/** Added to the time of a poll, so that only a failed server or network reaches the limit. */
const GRACE_MS = 12_000;

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;

/** An answer that comes sooner than this, or than half of a poll's time, was not held. */
const HELD_MS = 1_000;
/** An answer that comes sooner than this was never held, however short the time of a poll is. */
const LEAST_HELD_MS = 100;
/** The shortest pause after an answer that was not held and brought nothing new. */
const IDLE_DELAY_MS = 1_000;
/** The number of older answers in a row, without others, that is reported. */
const BEHIND_TIMES = 3;

/**
 * Follows the document at `url`. Calls `report` with each outcome, one of
 *
 * - `{ kind: "document", text, revision, ageMs, feedLost }`: `text` is JSON
 * - `{ kind: "gone", revision, reason }`: it was deleted; if `reason` is "missing" it never existed
 * - `{ kind: "behind" }`: the server answers, but only with older documents than earlier ones
 * - `{ kind: "waiting", reason }`: the server answers, but has no data
 * - `{ kind: "unfollowed" }`: the server does not follow such a document
 * - `{ kind: "lost", reason }`: no answer, or none that could be read
 *
 * No document is older than an earlier one: see `Shown`.
 */
export class Poll {
  #url;
  #report;
  #turns;
  #shown = new Shown();
  /** The revision of the next request; null for an immediate answer. */
  #revision = null;
  #pollMs = POLL_MS;
  #request = null;
  #askedMs = 0;
  #pause = new Pause();
  #rest = new Pause();
  #isResting = false;
  #isOffline = false;
  #isStopped = false;
  #lastKind = null;
  #olders = 0;

  constructor(url, turns, report) {
    this.#url = url;
    this.#turns = turns;
    this.#report = report;
    this.#run();
  }

  /** Asks again now, without a pause. */
  wake() {
    this.#isResting = false;
    this.#rest.end();
    this.#pause.end();
  }

  /** Asks again now, because after a change of the network the old connection may be dead. */
  online() {
    this.#isOffline = false;
    // Every tab of a browser reports this; once is enough.
    if (performance.now() - this.#askedMs > HELD_MS) this.#request?.abort(AGAIN);
    this.#pause.end();
  }

  /** The device has no network. Only a request can find out whether the server needs one. */
  offline() {
    if (this.#isOffline) return;
    this.#isOffline = true;
    this.#revision = null;
    this.#tell({ kind: "lost", reason: "this device is offline" });
    this.#request?.abort(AGAIN);
  }

  /** Stops waiting until it is woken. It still requests a first answer. */
  rest() {
    this.#isResting = true;
    if (this.#revision !== null) this.#request?.abort(AGAIN);
  }

  stop() {
    this.#isStopped = true;
    this.#request?.abort(AGAIN);
    this.wake();
  }

  async #run() {
    let troubles = 0;
    while (!this.#isStopped) {
      if (this.#isResting && this.#revision !== null) {
        await this.#rest.wait();
        continue;
      }
      const outcome = await this.#ask();
      if (outcome.kind === "again") continue;
      const tookMs = performance.now() - this.#askedMs;
      const wasHeld = tookMs >= Math.max(LEAST_HELD_MS, Math.min(HELD_MS, this.#pollMs / 2));
      const news = this.#take(outcome);
      const isSound = news === "new" || (news !== "none" && wasHeld);
      // A server that holds no poll for longer has no problem, so the pauses do not grow.
      const isAllItHolds = news === "same" && tookMs >= this.#pollMs / 2;
      troubles = isSound ? 0 : isAllItHolds ? 1 : troubles + 1;
      if (isSound) continue;
      const leastMs = news === "none" ? outcome.retryAfterMs : IDLE_DELAY_MS;
      await this.#pause.wait(delayMs(troubles, leastMs));
    }
  }

  async #ask() {
    const request = new AbortController();
    this.#request = request;
    const turn = await this.#turns.take(() => request.abort(AGAIN));
    this.#askedMs = performance.now();
    try {
      const url = this.#revision === null
        ? this.#url : `${this.#url}/${encodeURIComponent(this.#revision)}`;
      return await answer(url, request, this.#pollMs + GRACE_MS);
    } finally {
      this.#turns.give(turn);
      this.#request = null;
    }
  }

  /** Reports the outcome. Returns "new", "same" or "older" for a document, else "none". */
  #take(outcome) {
    this.#pollMs = outcome.pollMs ?? this.#pollMs;
    const isAnswer = outcome.kind === "document" || outcome.kind === "gone";
    const news = isAnswer ? this.#shown.take(outcome, performance.now()) : "none";
    if (news === "older") {
      this.#olders += 1;
      const isTold = this.#lastKind === "document" || this.#lastKind === "gone";
      if (!isTold || this.#olders >= BEHIND_TIMES) this.#tell({ kind: "behind" });
      return news;
    }
    this.#olders = 0;
    // After a failure the next request has no revision, so that its answer comes immediately.
    // Otherwise the page would show "lost" for the time of a poll after the server is back.
    this.#revision = isAnswer ? outcome.revision : null;
    this.#tell(outcome);
    return this.#revision === null ? "none" : news;
  }

  #tell(outcome) {
    this.#lastKind = outcome.kind;
    if (!this.#isStopped) this.#report(outcome);
  }
}

const AGAIN = new DOMException("asking again", "AbortError");

async function answer(url, request, limitMs) {
  const limit = setTimeout(() => request.abort(), limitMs);
  try {
    const response = await fetch(url, { cache: "no-store", signal: request.signal });
    // The limit includes the body, because a server can fail in the middle of an answer.
    return outcomeOf(response, await response.text());
  } catch (error) {
    if (request.signal.reason === AGAIN) return { kind: "again" };
    return { kind: "lost", reason: error.message };
  } finally {
    clearTimeout(limit);
  }
}

function outcomeOf(response, body) {
  const { status, headers } = response;
  const pollMs = Number(headers.get("Long-Poll")) * 1000 || null;
  if (status === 503) {
    const seconds = Number(headers.get("Retry-After"));
    const retryAfterMs = seconds > 0 ? seconds * 1000 : 0;
    return { kind: "waiting", reason: reasonIn(body), retryAfterMs, pollMs };
  }
  const state = {
    revision: tagIn(headers),
    database: headers.get("Database"),
    supersedes: headers.get("Supersedes"),
    pollMs,
  };
  if (status === 404 || status === 410) {
    // A followed document has an answer in the form of CouchDB.
    if (status === 404 && !isJson(headers)) return { kind: "unfollowed" };
    return { kind: "gone", reason: reasonIn(body), ...state };
  }
  if (!response.ok) return { kind: "lost", reason: `the server answered ${status}` };

  const json = JSON.parse(body);
  if (typeof json?._rev === "string") state.revision = json._rev;
  if (json?._deleted === true) return { kind: "gone", reason: "deleted", ...state };
  const feedLost = headers.get("Feed-State") === "lost";
  // As text, so that a number that no double can represent is shown as it is written.
  return { kind: "document", text: body, ageMs: ageMs(headers), feedLost, ...state };
}

function isJson(headers) {
  return (headers.get("Content-Type") ?? "").startsWith("application/json");
}

function tagIn(headers) {
  return /^(?:W\/)?"(.*)"$/.exec(headers.get("ETag") ?? "")?.[1] ?? null;
}

/** Returns the age of the data when it arrived, as far as the server states it. */
function ageMs(headers) {
  const age = Number(headers.get("Age"));
  if (age > 0) return age * 1000;
  // Both are from the clock of the server, so that a wrong clock here does not matter.
  const since = Date.parse(headers.get("Date")) - Date.parse(headers.get("Last-Modified"));
  return since > 0 ? since : 0;
}

/** CouchDB's errors are `{"error":..,"reason":..}`; any other body is plain text. */
function reasonIn(body) {
  try {
    return String(JSON.parse(body).reason ?? "");
  } catch {
    return body.trim().slice(0, 200);
  }
}

/** Doubles from half a second to ten, with jitter: ten thousand pages must not come back as one. */
function delayMs(troubles, leastMs = 0) {
  const grown = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(troubles - 1, 10));
  const jittered = grown * (0.5 + Math.random() / 2);
  return Math.max(jittered, Math.min(leastMs, LONGEST_DELAY_MS));
}

/** A wait that can be ended early. */
class Pause {
  #end = () => {};

  /** Waits for `ms`, or until it is ended. */
  wait(ms = Infinity) {
    return new Promise((resolve) => {
      const timer = ms === Infinity ? null : setTimeout(resolve, ms);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end() {
    this.#end();
  }
}
