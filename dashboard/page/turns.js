// Limits how many polls of a worker wait at the server.
//
// A browser opens six connections to a server with HTTP/1.1, and each waiting poll takes one. A
// seventh request would not even be sent. So only a few polls wait at the same time, and the others
// take turns with them.

/** Leaves two connections for pages and their files. */
const MOST_WAITING = 4;
/** A poll passes its turn on after this time, if another one wants it. */
const TURN_MS = 1_000;

export class Turns {
  /** The turns that are taken, the oldest first. */
  #taken = new Set();
  #queue = [];
  #timer = null;

  /** Resolves to a turn as soon as one is free. `giveUp` is called when another poll wants it. */
  take(giveUp) {
    return new Promise((resolve) => {
      this.#queue.push({ giveUp, resolve });
      this.#hand();
    });
  }

  give(turn) {
    this.#taken.delete(turn);
    this.#hand();
  }

  #hand() {
    while (this.#queue.length > 0 && this.#taken.size < MOST_WAITING) {
      const turn = this.#queue.shift();
      this.#taken.add(turn);
      turn.resolve(turn);
    }
    if (this.#queue.length > 0) this.#timer ??= setTimeout(() => this.#rotate(), TURN_MS);
  }

  #rotate() {
    this.#timer = null;
    if (this.#queue.length > 0) this.#taken.values().next().value.giveUp();
    this.#hand();
  }
}
