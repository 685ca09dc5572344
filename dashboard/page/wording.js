// Numbers, differences and times in words. The page is English, so its numbers are too.

import { decimalOf, exactDifference, significantDigits } from "./decimal.js";

const PLAIN = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const SMALL = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const WHOLE = new Intl.NumberFormat("en", { maximumSignificantDigits: 15 });
const POWER = new Intl.NumberFormat("en", { notation: "scientific", maximumFractionDigits: 2 });
const FULL_POWER = new Intl.NumberFormat("en", {
  notation: "scientific", maximumFractionDigits: 11,
});
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });
const CLOCK_MINUTE = new Intl.DateTimeFormat("en", { timeStyle: "short", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const DAY_MINUTE = new Intl.DateTimeFormat("en", {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const DATE = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeZone: "UTC" });
const DATE_AND_TIME = { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" };
const TIME = new Intl.DateTimeFormat("en", DATE_AND_TIME);
const UTC_TIME = new Intl.DateTimeFormat("en", { ...DATE_AND_TIME, timeZone: "UTC" });

const ISO_8601 =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,]\d+)?)? ?(Z|[+-]\d\d:?\d\d)?)?$/;

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** A number with more digits is rounded on its card. Its title has the exact number. */
const MOST_DIGITS = 12;
/** An integer that no double represents is shown as written, up to this length. */
const LONGEST_WRITTEN = 40;
/** A smaller number is written as a power of ten. */
const SMALLEST = 1e-4;
const SMALLEST_SHORT = 1e-6;
/** Relative rounding error of doubles, as in 0.1 + 0.2. */
const DUST = 1e-12;

/**
 * Returns a number for a card. A string is the number as the document has it: it is shown unchanged
 * if formatting would change its value. A double that may have been rounded is shown rounded.
 */
export function numberText(number) {
  const written = String(number);
  const value = Number(written);
  if (typeof number === "string" && !isFaithful(written, value)) {
    if (written.length <= LONGEST_WRITTEN) return written;
    if (!isOrdinary(written, value)) return `${written.slice(0, LONGEST_WRITTEN)}\u2026`;
  }
  return formatFor(written, value).format(value).replaceAll("-", "\u2212");
}

/** Returns true if `text`, the `numberText` of `written`, is less exact. */
export function isRounded(text, written) {
  if (text === written) return false;
  const plain = text.replaceAll(",", "").replaceAll("\u2212", "-");
  return exactDifference(plain, written) !== "0";
}

/** The lowest and the highest of `numbers` in words, without nulls; null if no number is left. */
export function rangeOf(numbers) {
  let [low, high] = [Infinity, -Infinity];
  for (const number of numbers) {
    if (number === null) continue;
    low = Math.min(low, number);
    high = Math.max(high, number);
  }
  return low > high ? null : { low: numberText(low), high: numberText(high) };
}

/** The difference of two numbers as written, always with its sign; "" for none. */
export function differenceText(now, before) {
  const difference = differenceOf(String(now), String(before));
  const value = Number(difference);
  if (value === 0 || !Number.isFinite(value)) return "";
  return (value > 0 ? "+" : "") + numberText(difference).replace("-", "\u2212");
}

function differenceOf(now, before) {
  if (isExact(now) && isExact(before)) {
    const exact = exactDifference(now, before);
    if (exact !== null) return exact;
  }
  const [a, b] = [Number(now), Number(before)];
  const difference = a - b;
  const isDust = Math.abs(difference) <= Math.max(Math.abs(a), Math.abs(b)) * DUST;
  return isDust ? "0" : String(Number(difference.toPrecision(12)));
}

/** Returns false for a fraction with so many digits that it must be a rounding error. */
function isExact(written) {
  const decimal = decimalOf(written);
  return decimal !== null && (decimal.scale >= 0 || significantDigits(decimal) <= 15);
}

export function ageText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return "just now";
  if (seconds < 2 * MINUTE_S) return `${seconds} s ago`;
  if (seconds < 2 * HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min ago`;
  if (seconds < 2 * DAY_S) return `${Math.floor(seconds / HOUR_S)} h ago`;
  return `${Math.floor(seconds / DAY_S)} days ago`;
}

/** A moment, no finer than ticks that are `stepS` apart need it, on an axis of `spanS`. */
export function clockText(timeS, stepS = 1, spanS = 0) {
  return clockFormat(stepS, spanS).format(timeS * 1000);
}

/**
 * Returns an ISO 8601 date or date and time for reading, null for any other text. A time with a
 * zone is shown in the zone of the reader, one without a zone unchanged.
 */
export function dateText(text) {
  const found = ISO_8601.exec(text);
  if (!found || !isDay(found[1])) return null;
  const [, day, minute, second = "00", zone] = found;
  if (minute === undefined) return DATE.format(Date.parse(day));
  const at = Date.parse(`${day}T${minute}:${second}${zone ?? "Z"}`);
  if (Number.isNaN(at)) return null;
  return (zone === undefined ? UTC_TIME : TIME).format(at);
}

/** Returns false for the 31st of February, which `Date.parse` moves to March. */
function isDay(day) {
  const at = Date.parse(`${day}T00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day);
}

function clockFormat(stepS, spanS) {
  if (stepS >= DAY_S) return DAY;
  // On an axis of several days the same hour occurs more than once.
  if (spanS > DAY_S) return DAY_MINUTE;
  return stepS >= MINUTE_S ? CLOCK_MINUTE : CLOCK;
}

/** Returns false if a double, and so its format, would differ from the text. */
function isFaithful(written, value) {
  if (!isOrdinary(written, value)) return false;
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER || /e/i.test(written);
}

/** Returns false for numbers that doubles cannot represent: 1e999, 1e-999 and minus zero. */
function isOrdinary(written, value) {
  if (value === 0) return !/^-|^[^e]*[1-9]/i.test(written);
  return Number.isFinite(value);
}

function formatFor(written, value) {
  const decimal = decimalOf(written);
  const isShort = decimal !== null && significantDigits(decimal) <= MOST_DIGITS;
  const magnitude = Math.abs(value);
  if (Number.isSafeInteger(value)) return PLAIN;
  const smallest = isShort ? SMALLEST_SHORT : SMALLEST;
  if (magnitude < smallest || magnitude >= 1e15) return isShort ? FULL_POWER : POWER;
  if (isShort) return WHOLE;
  return magnitude < 1 ? SMALL : PLAIN;
}
