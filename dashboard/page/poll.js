// The long poll: one request at a time, for ever.
//
// The server holds `GET /DOC/REV` until the document leaves revision REV, or for 28 seconds. So the
// page asks again at once after each answer, and waits only when something is wrong.

/** Above the server's 28 s, so that only a dead server or a dead path reaches it. */
const LIMIT_MS = 40_000;

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;

/** A server that hands back the same revision sooner than this is not holding polls: slow down. */
const HELD_MS = 1_000;

/**
 * Follows the document at `path`. Each outcome goes to `told`, as one of
 *
 * - `{ kind: "document", text, revision, ageMs, feedLost }`: `text` is JSON
 * - `{ kind: "waiting", reason }`: the server lives, but has no data to give
 * - `{ kind: "gone" }`: the document was deleted, or never was
 * - `{ kind: "lost", reason }`: no answer, or none that could be read
 */
export function follow(path, told) {
  const pause = new Pause();
  let request = null;

  async function run() {
    let revision = null;
    let troubles = 0;
    for (;;) {
      const asked = performance.now();
      request = new AbortController();
      const outcome = await ask(address(path, revision), request);
      request = null;
      if (outcome.kind === "again") continue;

      const unchanged = outcome.kind === "document" && outcome.revision === revision;
      const sound = outcome.kind === "document" && outcome.revision !== null
        && !(unchanged && performance.now() - asked < HELD_MS);
      // After trouble the next question carries no revision: the answer comes at once, and the page
      // need not say "lost" for 28 seconds after the server is back.
      revision = outcome.kind === "document" ? outcome.revision : null;
      troubles = sound ? 0 : troubles + 1;
      told(outcome);
      if (!sound) await pause.wait(delayMs(troubles, outcome.retryAfterMs));
    }
  }

  // A new network means that the old connection may be dead without a word: ask anew.
  addEventListener("online", () => {
    request?.abort(AGAIN);
    pause.end();
  });
  addEventListener("pageshow", () => pause.end());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") pause.end();
  });
  run();
}

const AGAIN = new DOMException("asking anew", "AbortError");

function address(path, revision) {
  return revision === null ? path : `${path}/${encodeURIComponent(revision)}`;
}

async function ask(url, request) {
  const limit = setTimeout(() => request.abort(), LIMIT_MS);
  try {
    const response = await fetch(url, { cache: "no-store", signal: request.signal });
    // The body is under the limit too: a server can die in the middle of an answer.
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
  if (status === 404 || status === 410) return { kind: "gone" };
  if (status === 503) {
    const seconds = Number(headers.get("Retry-After"));
    const retryAfterMs = seconds > 0 ? seconds * 1000 : 0;
    return { kind: "waiting", reason: reasonIn(body), retryAfterMs };
  }
  if (!response.ok) return { kind: "lost", reason: `the server answered ${status}` };

  const json = JSON.parse(body);
  if (json?._deleted === true) return { kind: "gone" };
  return {
    kind: "document",
    // As text: a number that no double holds is shown as it is written.
    text: body,
    revision: revisionOf(json, headers),
    ageMs: ageMs(headers),
    feedLost: headers.get("Feed-State") === "lost",
  };
}

function revisionOf(json, headers) {
  if (typeof json?._rev === "string") return json._rev;
  const tag = /^(?:W\/)?"(.*)"$/.exec(headers.get("ETag") ?? "");
  return tag ? tag[1] : null;
}

/** How old the data was when it came, as far as the server tells. */
function ageMs(headers) {
  const age = Number(headers.get("Age"));
  if (age > 0) return age * 1000;
  // Both from the server's clock, so that a wrong clock here does not matter.
  const since = Date.parse(headers.get("Date")) - Date.parse(headers.get("Last-Modified"));
  return since > 0 ? since : 0;
}

/** CouchDB's errors are `{"error":..,"reason":..}`; anything else is taken as plain text. */
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

/** A wait that can be cut short. */
class Pause {
  #end = () => {};

  wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
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
