// A small uPlot chart: the history of a figure as a line, or an array of numbers as bars.

import { timeTicks } from "./axis.js";

const { uPlot } = globalThis;

const AXIS_HEIGHT = 24;

/** Charts with the same key move their cursors together, to the same moment in every figure. */
const SYNC = { key: "history", scales: ["x", null] };

/** The span of an axis for a single number, in seconds. */
const FIRST_SPAN_S = 10;

/**
 * Draws in `element`, whose style defines the colours (`--line`, `--fill`, `--fade`, `--axis`).
 * `data` is `{ times, numbers, momentAt }` for a history, `{ numbers }` for an array. Calls
 * `looked` with the index of the point under the cursor, or null.
 */
export class Chart {
  #element;
  #plot;
  #colours;
  #momentAt;
  #ticks = [];

  constructor(element, data, looked) {
    this.#element = element;
    this.#momentAt = data.momentAt;
    this.#readColours();
    const options = data.times ? this.#lineOptions() : barOptions();
    this.#plot = new uPlot(this.#options(options, looked), columnsOf(data), element);
  }

  show(data) {
    this.#momentAt = data.momentAt;
    this.#plot.setData(columnsOf(data));
  }

  /** Sets the cursor to the point at `index`, or removes it. */
  lookAt(index) {
    const left = index === null ? -10 : this.#plot.valToPos(this.#plot.data[0][index], "x");
    this.#plot.setCursor({ left, top: index === null ? -10 : 0 }, true, false);
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.#element;
    if (width > 0 && (width !== this.#plot.width || height !== this.#plot.height)) {
      this.#plot.setSize({ width, height });
    }
  }

  /** Redraws after a change between light and dark, which does not change a canvas. */
  recolour() {
    this.#readColours();
    this.#plot.redraw(false);
  }

  /** Removes the chart. uPlot is registered at the window and with the charts of its key. */
  destroy() {
    this.#plot.destroy();
  }

  #readColours() {
    const style = getComputedStyle(this.#element);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.#colours = {
      line: colour("--line"),
      fill: colour("--fill"),
      fade: colour("--fade"),
      axis: colour("--axis"),
      font: `11px ${style.fontFamily}`,
    };
  }

  #options({ cursor, range, axis, series }, looked) {
    const colours = () => this.#colours;
    return {
      width: this.#element.clientWidth,
      height: this.#element.clientHeight,
      padding: [6, 6, axis.show === false ? 6 : 0, 6],
      legend: { show: false },
      select: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 9, width: 2 }, ...cursor },
      scales: { x: { time: false, range: range.x }, y: { range: range.y } },
      axes: [
        {
          size: AXIS_HEIGHT,
          gap: 4,
          font: this.#colours.font,
          stroke: () => colours().axis,
          grid: { show: false },
          ticks: { show: false },
          ...axis,
        },
        { show: false },
      ],
      series: [{}, {
        width: 2,
        stroke: () => colours().line,
        fill: (plot) => fading(plot, colours()),
        ...series(colours),
      }],
      hooks: {
        drawAxes: [(plot) => drawZero(plot, colours())],
        setCursor: [(plot) => looked(plot.cursor.idx ?? null)],
      },
    };
  }

  #lineOptions() {
    return {
      cursor: { sync: SYNC },
      range: { x: timeRange, y: lineRange },
      axis: {
        splits: (plot, _axis, first, last) => {
          // The box of the plot, because asking the element would lay out the page for each chart.
          const width = plot.bbox.width / devicePixelRatio;
          this.#ticks = timeTicks(first, last, width, this.#momentAt);
          return this.#ticks.map(({ at }) => at);
        },
        values: () => this.#ticks.map(({ text }) => text),
      },
      series: (colours) => ({
        points: {
          show: true,
          size: 6,
          width: 0,
          fill: () => colours().line,
          filter: (plot) => pointsToMark(plot.data[1]),
        },
      }),
    };
  }
}

function barOptions() {
  return {
    cursor: {},
    range: { x: (plot) => [-0.6, plot.data[0].length - 0.4], y: barRange },
    axis: { show: false },
    series: (colours) => ({
      width: 1,
      fill: () => colours().fill,
      paths: uPlot.paths.bars({ size: [0.8, 60] }),
      points: { show: false },
    }),
  };
}

function columnsOf({ times, numbers }) {
  return [times ?? numbers.map((_, index) => index), numbers];
}

/**
 * The area under the line fades towards the zero line, so that the line is what readers see. An
 * area shows an amount from zero, so a chart without zero has none.
 */
function fading(plot, { fill, fade }) {
  const { min, max } = plot.scales.y;
  if (min > 0 || max < 0) return "transparent";
  const { top, height } = plot.bbox;
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  const zero = max / 2 / (max / 2 - min / 2);
  gradient.addColorStop(0, zero > 0 ? fill : fade);
  gradient.addColorStop(zero, fade);
  gradient.addColorStop(1, zero < 1 ? fill : fade);
  return gradient;
}

/** Draws the zero line if there are numbers below it. */
function drawZero(plot, { axis }) {
  const { min, max } = plot.scales.y;
  if (!(min < 0 && max >= 0)) return;
  const { left, width } = plot.bbox;
  plot.ctx.save();
  plot.ctx.globalAlpha = 0.6;
  plot.ctx.fillStyle = axis;
  plot.ctx.fillRect(left, Math.round(plot.valToPos(0, "y", true)), width, devicePixelRatio);
  plot.ctx.restore();
}

/** The range of the data. For a single time, uPlot would suggest a range of a day or more. */
function timeRange(plot) {
  const times = plot.data[0];
  if (times.length === 0) return [0, FIRST_SPAN_S];
  const [first, last] = [times[0], times.at(-1)];
  return last - first < 1 ? [last - FIRST_SPAN_S, last + 1] : [first, last];
}

/**
 * Adds a margin around the line; a line without changes is drawn in the middle. The chart includes
 * zero if zero is not farther from the numbers than they are from each other.
 */
function lineRange(_, lowest, highest) {
  if (lowest === null || highest === null) return [0, 1];
  // Halved first, because the span of two doubles can be larger than any double.
  const halfSpan = highest / 2 - lowest / 2;
  const air = halfSpan > 0 ? halfSpan * 0.24 : Math.abs(highest) * 0.1 || 1;
  const low = lowest >= 0 && lowest / 2 <= halfSpan && halfSpan > 0 ? 0 : lowest - air;
  const high = highest <= 0 && -highest / 2 <= halfSpan && halfSpan > 0 ? 0 : highest + air;
  return [Math.max(low, -Number.MAX_VALUE), Math.min(high, Number.MAX_VALUE)];
}

/** Bars begin at zero. */
function barRange(_, lowest, highest) {
  return lowest === 0 && highest === 0 ? [0, 1] : [Math.min(lowest, 0), Math.max(highest, 0)];
}

/** Returns the latest point, and all points without a line to a neighbour. */
function pointsToMark(numbers) {
  const marked = [];
  numbers.forEach((number, index) => {
    if (number === null) return;
    const alone = (numbers[index - 1] ?? null) === null && (numbers[index + 1] ?? null) === null;
    if (alone || index === numbers.length - 1) marked.push(index);
  });
  return marked;
}
