// Where a time axis has its ticks, and what they say.

import { clockText } from "./wording.js";

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** Steps between ticks, in seconds. None is below a second: two labels would say the same. */
const STEPS_S = [
  1, 2, 5, 10, 15, 30,
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_S),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_S),
  ...[1, 2, 5, 10, 30, 100, 400].map((days) => days * DAY_S),
];

/** The room that a label takes, in pixels: `00:30:22`, and `Dec 1, 06:00` on an axis of days. */
const LABEL_WIDTH = 46;
const LONG_LABEL_WIDTH = 74;
const BETWEEN_LABELS = 30;

/**
 * The ticks of an axis from `first` to `last`, `width` pixels wide, as `{ at, text }`: as many as
 * have room, and at least one, however narrow it is. Labels that would be cut off at an end are
 * left out. `momentAt` returns what the wall clock said at a time of the axis.
 */
export function timeTicks(first, last, width, momentAt) {
  const span = last - first;
  const label = span > DAY_S ? LONG_LABEL_WIDTH : LABEL_WIDTH;
  const margin = span * Math.min(0.5, (label / 2) / width);
  const [from, to] = [first + margin, last - margin];
  const least = (span * (label + BETWEEN_LABELS)) / width;
  // Round by the newest reading of the wall clock, in the reader's time zone.
  const shift = momentAt(last) - last;
  const zone = new Date(momentAt(last) * 1000).getTimezoneOffset() * 60;
  const roundMoments = (step) => {
    const begin = Math.ceil((from + shift - zone) / step);
    const count = Math.floor((to + shift - zone) / step) - begin + 1;
    return Array.from({ length: Math.max(0, count) }, (_, at) => (begin + at) * step);
  };
  const [wide, narrow] = [(step) => step >= least, (step) => step < least]
    .map((fits) => STEPS_S.filter(fits));
  const local = wide.map(roundMoments).find(isFilled)
    ?? narrow.reverse().map(roundMoments).find(isFilled)?.slice(0, 1)
    ?? [Math.round((from + to) / 2 + shift - zone)];
  const step = [DAY_S, MINUTE_S].find((long) => local.every((at) => at % long === 0)) ?? 1;
  return local.map((round) => {
    const at = round + zone - shift;
    const said = momentAt(at);
    // The two clocks differ by parts of a second, which must not turn 12:00:10 into 12:00:09.
    const moment = Math.abs(said - round - zone) < 1 ? round + zone : said;
    return { at, text: clockText(moment, step, span) };
  });
}

function isFilled(times) {
  return times.length > 0;
}
