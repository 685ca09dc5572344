// One figure's history as a small uPlot chart.

import { clockText } from "./wording.js";

const { uPlot } = globalThis;

const AXIS_HEIGHT = 24;
const LABEL_SPACING = 78;
const HALF_LABEL = 22;

/** Charts with one key move their cursors together: the same moment is seen in every figure. */
const SYNC = { key: "history", scales: ["x", null] };

/**
 * Draws in `element`, whose style gives the colours (`--line`, `--fill`, `--fade`, `--axis`).
 * Tells `looked` the index of the point under the cursor, or null.
 */
export class Chart {
  #element;
  #plot;
  #colours;

  constructor(element, data, looked) {
    this.#element = element;
    this.#readColours();
    this.#plot = new uPlot(this.#options(looked), data, element);
  }

  show(data) {
    this.#plot.setData(data);
  }

  /** Puts the cursor on the point at `index`, or takes it away. */
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

  /** The reader went from light to dark or back: a canvas does not follow by itself. */
  recolour() {
    this.#readColours();
    this.#plot.redraw(false);
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

  #options(looked) {
    const colours = () => this.#colours;
    return {
      width: this.#element.clientWidth,
      height: this.#element.clientHeight,
      padding: [6, 6, 0, 6],
      legend: { show: false },
      select: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: SYNC, points: { size: 9, width: 2 } },
      scales: { x: { range: timeRange }, y: { range: numberRange } },
      axes: [
        {
          size: AXIS_HEIGHT,
          gap: 4,
          space: LABEL_SPACING,
          font: this.#colours.font,
          stroke: () => colours().axis,
          grid: { show: false },
          ticks: { show: false },
          values: timeLabels,
        },
        { show: false },
      ],
      series: [
        {},
        {
          width: 2,
          stroke: () => colours().line,
          fill: (plot) => fading(plot, colours()),
          points: {
            show: true,
            size: 6,
            width: 0,
            fill: () => colours().line,
            filter: (plot) => pointsToMark(plot.data[1]),
          },
        },
      ],
      hooks: { setCursor: [(plot) => looked(plot.cursor.idx ?? null)] },
    };
  }
}

/** What is under the line fades to the ground, so that the line is what is seen. */
function fading(plot, { fill, fade }) {
  const { top, height } = plot.bbox;
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, fill);
  gradient.addColorStop(1, fade);
  return gradient;
}

/** Labels that would be cut off at the chart's edges are left out. */
function timeLabels(plot, moments, _axis, space, stepS) {
  // The plot's own box: asking the element would lay out the page for each chart.
  const width = plot.bbox.width / devicePixelRatio;
  const inside = (at) => {
    const left = plot.valToPos(at, "x");
    return left > HALF_LABEL && left < width - HALF_LABEL;
  };
  return moments.map((at) => (inside(at) ? clockText(at, stepS) : ""));
}

/** A single moment still needs an axis with some length. */
function timeRange(_, first, last) {
  return last - first < 1 ? [last - 10, last + 1] : [first, last];
}

/** Some air around the line; a figure that never moved runs through the middle. */
function numberRange(_, lowest, highest) {
  if (lowest === null || highest === null) return [0, 1];
  // Halved first: the span of two doubles can be more than a double.
  const halfSpan = highest / 2 - lowest / 2;
  const air = halfSpan > 0 ? halfSpan * 0.24 : Math.abs(highest) * 0.1 || 1;
  return [Math.max(lowest - air, -Number.MAX_VALUE), Math.min(highest + air, Number.MAX_VALUE)];
}

/** The latest point, and those that no line reaches. */
function pointsToMark(numbers) {
  const marked = [];
  numbers.forEach((number, index) => {
    if (number === null) return;
    const alone = (numbers[index - 1] ?? null) === null && (numbers[index + 1] ?? null) === null;
    if (alone || index === numbers.length - 1) marked.push(index);
  });
  return marked;
}
