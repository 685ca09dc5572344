// The ticks of a time axis and their labels.

import { clockText } from "./wording.js";

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** Steps between ticks, in seconds. At least a second, because shorter steps have equal labels. */
const STEPS_S = [
  1, 2, 5, 10, 15, 30,
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE_S),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR_S),
  ...[1, 2, 5, 10, 30, 100, 400].map((days) => days * DAY_S),
];

/** The width of a label, in pixels: `00:30:22`, and `Dec 1, 06:00` on an axis of days. */
const LABEL_WIDTH = 46;
const LONG_LABEL_WIDTH = 74;
const BETWEEN_LABELS = 30;

/**
 * Returns the ticks of an axis from `first` to `last`, `width` pixels wide, as `{ at, text }`: as
 * many as fit, and at least one, however narrow the axis is. Labels that would be truncated at an
 * end are omitted. `momentAt` returns the wall-clock time at a time of the axis.
 */
export function timeTicks(first, last, width, momentAt) {
  const span = last - first;
  const label = span > DAY_S ? LONG_LABEL_WIDTH : LABEL_WIDTH;
  const margin = span * Math.min(0.5, (label / 2) / width);
  const [from, to] = [first + margin, last - margin];
  const least = (span * (label + BETWEEN_LABELS)) / width;
  // Rounded by the latest wall-clock time, in the time zone of the reader.
  const shift = momentAt(last) - last;
  const zone = new Date(momentAt(last) * 1000).getTimezoneOffset() * 60;
  const [begin, end] = [from + shift - zone, to + shift - zone];
  const local = roundMoments(begin, end, least) ?? [Math.round((begin + end) / 2)];
  const isRound = (step) => span >= step && local.every((at) => at % step === 0);
  const step = [DAY_S, MINUTE_S].find(isRound) ?? 1;
  return local.map((round) => {
    const at = round + zone - shift;
    const said = momentAt(at);
    // The two clocks differ by parts of a second, which must not turn 12:00:10 into 12:00:09.
    const moment = Math.abs(said - round - zone) < 1 ? round + zone : said;
    return { at, text: clockText(moment, step, span) };
  });
}

/** Returns the round moments from `begin` to `end`, at least `least` apart; null without any. */
function roundMoments(begin, end, least) {
  const firstOf = (step) => Math.ceil(begin / step) * step;
  const hasOne = (step) => firstOf(step) <= end;
  const wide = STEPS_S.find((step) => step >= least && hasOne(step));
  if (wide === undefined) {
    // Only one tick fits: the roundest.
    const narrow = STEPS_S.findLast((step) => step < least && hasOne(step));
    return narrow === undefined ? null : [firstOf(narrow)];
  }
  const found = [];
  for (let at = firstOf(wide); at <= end; at += wide) found.push(at);
  return found;
}
