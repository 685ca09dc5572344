// The drawn charts, in headless Chromium with the real program.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Probe, labelsOf, textOf } from "./probe.mjs";

const SOON = { timeout: 10_000 };
const HOUR_MS = 3_600_000;
/** The time between unchanged answers. Below a second the page treats them as an error. */
const SHORT_POLL_S = "1.1";

let probe;

before(async () => {
  probe = await Probe.start();
});

after(() => probe?.stop());

test("a chart that left the page is not kept with its canvas and listeners", async () => {
  const page = await probe.open('"n":1');
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
  const counts = async () => {
    await devtools.send("HeapProfiler.collectGarbage");
    const { metrics } = await devtools.send("Performance.getMetrics");
    const of = (name) => metrics.find((metric) => metric.name === name).value;
    return {
      charts: await page.evaluate(() => globalThis.uPlot.sync("history").plots.length),
      nodes: of("Nodes"),
      listeners: of("JSEventListeners"),
    };
  };
  // Every figure has another name each time, and each of them a group of its own; one more is a
  // number and no number by turns.
  const renamed = (turn) => Array.from({ length: 12 }, (_, at) => `"g${turn}_${at}":{"n":${at}}`)
    .concat(`"sensor":${turn % 2 === 0 ? 1 : null}`, `"list":[${turn},2]`).join();
  const turns = async (from, to) => {
    for (let turn = from; turn < to; turn += 1) {
      await probe.show(page, renamed(turn));
      // A handle of an element would keep it.
      await page.waitForFunction((key) => document.querySelector(`[data-key='${key}'] canvas`)
        !== null, `/g${turn}_0/n`, SOON);
    }
  };
  await turns(0, 10);
  const early = await counts();
  await turns(10, 60);
  const late = await counts();
  assert.ok(late.charts <= 13, `${late.charts} charts are kept of 13 figures`);
  // Chromium frees nodes when it likes; fifty turns made 12,000 nodes and 4,800 listeners.
  assert.ok(late.nodes < early.nodes + 1_000, `${early.nodes} to ${late.nodes} nodes`);
  assert.ok(late.listeners < early.listeners + 200,
    `${early.listeners} to ${late.listeners} listeners`);
  const colours = await page.$$eval(".group", (all) => all.map(({ dataset }) => dataset.colour));
  assert.deepEqual([...new Set(colours)].sort(), ["0", "1", "2", "3", "4", "5"]);
  await page.context().close();
});

test("a group keeps its colour while others come and go", async () => {
  const page = await probe.open('"a":{"n":1},"b":{"n":1},"c":{"n":1}');
  const colour = (key) => page.$eval(`.group:has([data-key='${key}'])`, (group) =>
    group.dataset.colour);
  const before = await colour("/c/n");
  await probe.show(page, '"c":{"n":1},"d":{"n":1}');
  assert.equal(await colour("/c/n"), before);
  assert.notEqual(await colour("/d/n"), before);
  await page.context().close();
});

test("the first point of a chart stands at its own time, not on an axis of months", async () => {
  const page = await probe.open('"n":1');
  const labels = await labelsOf(page, "/n");
  assert.ok(labels.length > 0);
  for (const { text } of labels) assert.match(text, /^\d\d:\d\d:\d\d$/);
  await page.context().close();
});

test("two changes within a second are not labelled with one time twice", async () => {
  const page = await probe.open('"n":1', { prepare: (opened) => opened.addInitScript(emulate) });
  for (const n of [2, 3, 4, 5, 6]) {
    await page.evaluate(() => { globalThis.aheadMs += 300; });
    await probe.show(page, `"n":${n}`);
  }
  const texts = (await labelsOf(page, "/n")).map(({ text }) => text);
  assert.deepEqual([...new Set(texts)], texts);
  await page.context().close();
});

test("no span and no width of a chart has an equal label twice, or none", async () => {
  const page = await probe.open('"n":1');
  const wrong = await page.evaluate(async () => {
    const { timeTicks } = await import("/file/axis.js");
    const found = [];
    const day = Date.UTC(2026, 9, 26) / 1000;
    const spans = [1, 3, 11, 30, 59, 61, 500, 3600, 7200, 40_000, 90_000, 4e5, 1e6, 3e7, 3e9];
    const axes = spans.flatMap((span) => [100, 126, 184, 320, 900].flatMap((width) =>
      [0, 5.5, 3600, 11_565].map((second) => ({ span, width, last: day + second }))));
    for (const { span, width, last } of axes) {
      const ticks = timeTicks(last - span, last, width, (time) => time);
      const texts = ticks.map(({ text }) => text);
      const isInside = ticks.every(({ at }) => at >= last - span && at <= last);
      // A full minute is no reason to leave out the seconds of an axis of seconds.
      const isFine = span >= 60 || texts.every((text) => /^\d\d:\d\d:\d\d$/.test(text));
      const isGood = texts.length > 0 && new Set(texts).size === texts.length && isInside && isFine;
      if (!isGood) found.push({ span, width, last, texts });
    }
    return found;
  });
  assert.deepEqual(wrong, []);
  await page.context().close();
});

test("a narrow card's chart has a label at each span, and none is cut off", async () => {
  const page = await probe.open('"a":1,"b":1', {
    viewport: { width: 320, height: 800 }, prepare: (opened) => opened.addInitScript(emulate),
  });
  for (const width of [320, 390, 430, 320, 390, 430, 320, 390, 430]) {
    await page.setViewportSize({ width, height: 800 });
    await page.evaluate(() => { globalThis.aheadMs += 3_700; });
    await probe.show(page, `"a":${width},"b":${width}`);
    for (const key of ["/a", "/b"]) {
      const labels = await labelsOf(page, key);
      assert.ok(labels.length > 0, `${key} has a label`);
      for (const label of labels) assert.ok(label.inside, JSON.stringify(label));
    }
  }
  await page.context().close();
});

for (const [way, shiftMs] of [["back by two hours", -2 * HOUR_MS], ["on by days", 72 * HOUR_MS]]) {
  test(`a clock that is set ${way} costs a break in the line, not its shape`, async () => {
    const page = await probe.open('"n":1', { prepare: (opened) => opened.addInitScript(emulate) });
    // The first point was taken a moment ago, which may have been in the minute before.
    const opened = await page.evaluate(() => Date.now());
    const minutes = [opened - SOON.timeout, opened].map((at) => timeIn(at).slice(0, 5));
    const pause = () => page.evaluate(() => { globalThis.aheadMs += 10_000; });
    for (const n of [2, 3, 4]) {
      await pause();
      await probe.show(page, `"n":${n}`);
    }
    await page.evaluate((ms) => { globalThis.setMs += ms; }, shiftMs);
    for (const n of [5, 6, 7]) {
      await pause();
      await probe.show(page, `"n":${n}`);
    }
    await page.waitForSelector("[data-key='/n'] canvas", SOON);
    const { times, numbers } = await page.evaluate(() => {
      const [plot] = globalThis.uPlot.sync("history").plots;
      return { times: [...plot.data[0]], numbers: [...plot.data[1]] };
    });
    assert.deepEqual(numbers, [1, 2, 3, 4, null, 5, 6, 7]);
    const steps = times.slice(1).map((time, at) => Math.round(time - times[at]));
    assert.ok(steps.every((seconds) => seconds >= 4 && seconds <= 20), `steps of ${steps} s`);

    // The oldest points keep the time that the clock showed then; the newest have its new time.
    const now = await page.evaluate(() => Date.now());
    await page.hover("[data-key='/n'] .u-over");
    await page.locator("#look-back").fill("0");
    const old = await textOf(page, "#moment");
    assert.ok(minutes.includes(/(\d\d:\d\d)/.exec(old)[1]), `${old}, not one of ${minutes}`);
    const labels = await labelsOf(page, "/n");
    const last = labels.at(-1).text;
    assert.ok(Math.abs(secondsOf(last) - secondsOf(timeIn(now))) < 60, `${last} of ${timeIn(now)}`);
    await page.context().close();
  });
}

test("an answer without news does not push changes out of the history", async () => {
  const page = await probe.open('"n":1');
  const kept = await page.evaluate(async () => {
    const { History } = await import("/file/history.js");
    const history = new History();
    const add = (second, n) => history.add(new Map([["n", n]]), second * 1000, second * 1000);
    add(0, 1);
    add(1, 100);
    for (let second = 2; second < 500; second += 1) add(second, 100);
    add(500, 100);
    add(501, 7);
    return { times: history.times, numbers: history.of("n") };
  });
  assert.deepEqual(kept, { times: [0, 1, 500, 501], numbers: [1, 100, 100, 7] });
  await page.context().close();
});

test("the page keeps its last change through many unchanged answers", async () => {
  const quiet = await Probe.start(["--long-poll", SHORT_POLL_S]);
  try {
    const page = await quiet.open('"n":1');
    await quiet.show(page, '"n":100');
    await page.waitForFunction((seconds) => {
      const times = globalThis.uPlot.sync("history").plots[0]?.data[0] ?? [];
      return times.at(-1) - times[1] > seconds;
    }, 3 * SHORT_POLL_S, SOON);
    assert.equal(await textOf(page, ".range"), "low 1, high 100");
    assert.ok(Number(await page.getAttribute("#look-back", "max")) <= 3);
    await page.context().close();
  } finally {
    await quiet.stop();
  }
});

test("an area is drawn from zero only, also for negative numbers", async () => {
  const page = await probe.open('"far":1204,"near":1,"below":-1,"both":-1');
  await probe.show(page, '"far":1208,"near":8,"below":-8,"both":1');
  await probe.show(page, '"far":1213,"near":9,"below":-9,"both":1');
  const chart = (key) => page.evaluate(async (name) => {
    const canvas = document.querySelector(`[data-key='/${name}'] canvas`);
    const { plots } = globalThis.uPlot.sync("history");
    const plot = plots.find(({ ctx }) => ctx.canvas === canvas);
    const { min, max } = plot.scales.y;
    const filled = plot.series[1]._fill;
    return { min, max, isFilled: filled !== "transparent" };
  }, key);
  await page.waitForSelector("[data-key='/both'] canvas", SOON);
  const far = await chart("far");
  assert.ok(far.min > 1000 && !far.isFilled, JSON.stringify(far));
  const near = await chart("near");
  assert.ok(near.min === 0 && near.isFilled, JSON.stringify(near));
  const below = await chart("below");
  assert.ok(below.max === 0 && below.isFilled, JSON.stringify(below));
  const both = await chart("both");
  assert.ok(both.min < 0 && both.max > 0 && both.isFilled, JSON.stringify(both));
  await page.context().close();
});

/** Runs in the page: both of its clocks can be put forward, and its wall clock can be set. */
function emulate() {
  Object.assign(globalThis, { aheadMs: 0, setMs: 0 });
  const [wall, steady] = [Date.now.bind(Date), performance.now.bind(performance)];
  Date.now = () => wall() + globalThis.aheadMs + globalThis.setMs;
  performance.now = () => steady() + globalThis.aheadMs;
}

function timeIn(ms) {
  return new Intl.DateTimeFormat("en", {
    timeStyle: "medium", hourCycle: "h23", timeZone: "Europe/Berlin",
  }).format(ms);
}

function secondsOf(text) {
  const [hour, minute, second] = text.split(":").map(Number);
  return hour * 3600 + minute * 60 + (second || 0);
}
