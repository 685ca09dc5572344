// Numbers, differences and times in words. The page is English, so its numbers are too.

const PLAIN = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const SMALL = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 3 });
const POWER = new Intl.NumberFormat("en", { notation: "scientific", maximumFractionDigits: 2 });
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });
const CLOCK_MINUTE = new Intl.DateTimeFormat("en", { timeStyle: "short", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** A number as it fits a card; the exact one belongs in the title. */
export function numberText(number) {
  return magnitudeFormat(Math.abs(number)).format(number).replaceAll("-", "\u2212");
}

/** A difference, always with its sign; "" for none. */
export function differenceText(now, before) {
  // Twelve digits: behind them is the dust that doubles leave, as in 0.3 - 0.1.
  const difference = Number((now - before).toPrecision(12));
  if (difference === 0 || !Number.isFinite(difference)) return "";
  return (difference > 0 ? "+" : "") + numberText(difference);
}

export function ageText(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return "just now";
  if (seconds < 2 * MINUTE_S) return `${seconds} s ago`;
  if (seconds < 2 * HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min ago`;
  if (seconds < 2 * DAY_S) return `${Math.floor(seconds / HOUR_S)} h ago`;
  return `${Math.floor(seconds / DAY_S)} days ago`;
}

/** A moment, no finer than ticks that are `stepS` apart need it. */
export function clockText(timeS, stepS = 1) {
  const format = stepS >= DAY_S ? DAY : stepS >= MINUTE_S ? CLOCK_MINUTE : CLOCK;
  return format.format(timeS * 1000);
}

function magnitudeFormat(magnitude) {
  if (magnitude === 0) return PLAIN;
  if (magnitude < 1e-4 || magnitude >= 1e15) return POWER;
  if (magnitude < 1) return SMALL;
  return magnitude < 1e9 ? PLAIN : SHORT;
}
