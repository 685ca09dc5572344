// Decimal numbers as text, with exact arithmetic that doubles do not have.

/** A number with more digits or zeros than this is only approximated. */
const MOST_DIGITS = 400;

/**
 * `{ digits, scale }`, so that the number is `digits` (a BigInt) times ten to the power of `scale`;
 * null if the text is no decimal number or too long to calculate with.
 */
export function decimalOf(written) {
  const found = /^(-?\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(written);
  if (!found || written.length > MOST_DIGITS) return null;
  const [, whole, fraction = "", exponent = "0"] = found;
  // Zeros at the end have no meaning: 1.50 is 1.5.
  const kept = fraction.replace(/0+$/, "");
  const scale = Number(exponent) - kept.length;
  if (Math.abs(scale) > MOST_DIGITS) return null;
  return { digits: BigInt(whole + kept), scale };
}

/** Returns the exact `now - before`, as `12` or `12e-3`; null if that cannot be calculated. */
export function exactDifference(now, before) {
  const [a, b] = [decimalOf(now), decimalOf(before)];
  if (!a || !b) return null;
  const scale = Math.min(a.scale, b.scale);
  const at = ({ digits, scale: own }) => digits * 10n ** BigInt(own - scale);
  const digits = String(at(a) - at(b));
  if (digits === "0") return digits;
  const kept = digits.replace(/0+$/, "");
  const power = scale + digits.length - kept.length;
  return power === 0 ? kept : `${kept}e${power}`;
}

/** Returns the significant digits of a number, without zeros at either end. */
export function significantDigits({ digits }) {
  return String(digits).replace(/^-/, "").replace(/0+$/, "").length;
}
