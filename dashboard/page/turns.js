// Whose poll may wait at the server.
//
// A browser opens six connections to a server that speaks HTTP/1.1, and a poll that waits takes
// one for as long as it waits. A seventh request would not even be sent. So only so many polls wait
// at a time, and the others take turns with them.

/** Two connections are left for pages and their files. */
const MOST_WAITING = 4;
/** A poll hands its turn on after this time, if another one wants it. */
const TURN_MS = 1_000;

export class Turns {
  /** The turns that are taken, the oldest first. */
  #taken = new Set();
  #queue = [];
  #timer = null;

  /** Resolves to a turn, once there is one. `giveUp` is called when another poll wants it. */
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
