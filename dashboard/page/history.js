// The recent past of every figure, on one time line that all charts share.

/** Two minutes of a document that changes once a second. */
const MOST_POINTS = 120;

/** Behind a longer silence the old points would only squeeze the new ones: begin anew. */
const LONGEST_GAP_S = 15 * 60;

export class History {
  /** Seconds since the epoch, ascending, as the charts want them. */
  times = [];
  #columns = new Map();
  #broken = false;

  /** What is known from here on does not join what came before: the charts show a gap. */
  breakOff() {
    this.#broken = this.times.length > 0;
  }

  /** Adds a point: `numbers` maps a figure's key to its number. */
  add(timeS, numbers) {
    const last = this.times.at(-1) ?? -Infinity;
    // The wall clock may be set back; a chart's time may not.
    const time = Math.max(timeS, last + 0.001);
    if (this.#broken && time - last > LONGEST_GAP_S) this.#forget();
    else if (this.#broken) this.#push((last + time) / 2, new Map());
    this.#broken = false;
    this.#push(time, numbers);
  }

  /** The numbers of a figure, one for each of `times`, `null` where it had none. */
  of(key) {
    return this.#columns.get(key) ?? [];
  }

  #push(time, numbers) {
    this.times.push(time);
    const before = this.times.length - 1;
    for (const key of numbers.keys()) {
      if (!this.#columns.has(key)) this.#columns.set(key, new Array(before).fill(null));
    }
    const full = this.times.length > MOST_POINTS;
    if (full) this.times.shift();
    for (const [key, column] of this.#columns) {
      column.push(numbers.get(key) ?? null);
      if (full) column.shift();
      // A figure that left the document is forgotten once its last point has left the time line.
      if (!numbers.has(key) && column.every((number) => number === null)) this.#columns.delete(key);
    }
  }

  #forget() {
    this.times = [];
    this.#columns.clear();
  }
}
