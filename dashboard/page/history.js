// The recent past of every figure, on one time line that all charts share.

/** Enough for two minutes of a document that changes once a second. */
const MOST_POINTS = 120;

/** After a longer silence the history starts again, because old points would squeeze new ones. */
const LONGEST_GAP_S = 15 * 60;

/** A larger difference between the clocks means that the clock was set or the computer slept. */
const STEP_S = 1;

/**
 * Two clocks: charts need a time that only goes forward, at a constant pace, and readers want the
 * wall-clock time. If the wall clock is set, the line has a gap.
 */
export class History {
  /** Seconds of the steady clock, ascending, as the charts want them. */
  times = [];
  /** The wall-clock times of these, in seconds since the epoch. */
  moments = [];
  #columns = new Map();
  #broken = false;
  #offset = null;

  /** Separates the next point from the earlier ones: the charts show a gap. */
  breakOff() {
    this.#broken = this.times.length > 0;
  }

  /**
   * Adds a point: `numbers` maps the key of a figure to its number. Only tests pass the clocks,
   * both in milliseconds.
   */
  add(numbers, steadyMs = performance.now(), wallMs = Date.now()) {
    const moment = wallMs / 1000;
    // The first reading connects the clocks, so that times are usually moments.
    this.#offset ??= moment - steadyMs / 1000;
    const last = this.times.at(-1) ?? -Infinity;
    const time = Math.max(steadyMs / 1000 + this.#offset, last + 0.001);
    const shift = this.times.length > 0 ? this.moments.at(-1) - last : moment - time;
    if (Math.abs(moment - time - shift) > STEP_S) this.breakOff();
    if (this.#broken && time - last > LONGEST_GAP_S) this.#forget();
    else if (this.#broken) this.#pushGap((last + time) / 2, shift);
    this.#broken = false;
    if (this.#isRest(numbers)) this.#move(time, moment);
    else this.#push(time, moment, numbers);
  }

  /** Returns the numbers of a figure, one for each of `times`; `null` if it had none. */
  of(key) {
    return this.#columns.get(key) ?? [];
  }

  /** Returns the wall-clock time at a time between the first and the last. */
  momentAt(time) {
    let at = this.times.length - 1;
    while (at > 0 && this.times[at] > time) at -= 1;
    return at < 0 ? time : time + this.moments[at] - this.times[at];
  }

  /**
   * Returns true if the last two points and this one are equal. Then the last one moves, so that
   * answers without news do not push changes out of the history.
   */
  #isRest(numbers) {
    if (this.times.length < 2) return false;
    return [...this.#columns].every(([key, column]) => {
      const number = numbers.get(key) ?? null;
      return column.at(-1) === number && column.at(-2) === number;
    }) && [...numbers.keys()].every((key) => this.#columns.has(key));
  }

  #move(time, moment) {
    this.times[this.times.length - 1] = time;
    this.moments[this.moments.length - 1] = moment;
  }

  #pushGap(time, shift) {
    this.#push(time, time + shift, new Map());
  }

  #push(time, moment, numbers) {
    this.times.push(time);
    this.moments.push(moment);
    const before = this.times.length - 1;
    for (const key of numbers.keys()) {
      if (!this.#columns.has(key)) this.#columns.set(key, new Array(before).fill(null));
    }
    const full = this.times.length > MOST_POINTS;
    if (full) {
      this.times.shift();
      this.moments.shift();
    }
    for (const [key, column] of this.#columns) {
      column.push(numbers.get(key) ?? null);
      if (full) column.shift();
      // A figure that left the document is forgotten when its last point leaves the time line.
      if (!numbers.has(key) && column.every((number) => number === null)) this.#columns.delete(key);
    }
  }

  #forget() {
    this.times = [];
    this.moments = [];
    this.#columns.clear();
  }
}
