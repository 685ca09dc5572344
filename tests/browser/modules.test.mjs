// The page's modules that need no document and no server, run in Chromium.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { Dashboard } from "./dashboard.mjs";

let dashboard;
let browser;
let page;

before(async () => {
  dashboard = await Dashboard.start(process.env.DASHBOARD_BIN, "127.0.0.1:0");
  browser = await launch();
  page = await browser.newPage();
  await page.goto(dashboard.url);
});

after(async () => {
  await browser?.close();
  await dashboard?.kill();
});

test("a document becomes a flat list, whatever its shape", async () => {
  const figures = (text) => page.evaluate(async (source) => {
    const { figuresOf, isNumber } = await import("/file/figures.js");
    const { figures: found, leftOut } = figuresOf(source);
    const row = (one) => [one.key, one.group.join(">"), one.label,
      one.kind === "series" || one.kind === "table" ? one.kind : isNumber(one)];
    return { leaves: found.map(row), leftOut };
  }, text);
  const check = async (text, leaves) =>
    assert.deepEqual((await figures(text)).leaves, leaves, text);

  await check("{}", []);
  await check('{"_id":"a","_rev":"1-b","n":1}', [["/n", "", "n", true]]);
  await check('{"a":{"_id":1}}', [["/a/_id", "a", "_id", true]]);
  await check('{"a":{"b":{"c":-1.5}},"d":true,"e":null}', [
    ["/a/b/c", "a>b", "c", true], ["/d", "", "d", false], ["/e", "", "e", false],
  ]);
  await check('{"a":[1,[2]]}', [["/a/0", "a", "0", true], ["/a/1", "a", "1", "series"]]);
  await check('{"a":[1,"x"]}', [["/a/0", "a", "0", true], ["/a/1", "a", "1", false]]);
  await check('{"a":[1,1e999]}', [["/a/0", "a", "0", true], ["/a/1", "a", "1", false]]);
  await check('{"a":[{"b":1},{"c":"x"}]}', [["/a", "", "a", "table"]]);
  await check('{"a":[{"b":{"c":1}}]}', [["/a/0/b/c", "a>0>b", "c", true]]);
  await check('{"a":[],"b":{},"c":[{}]}', [
    ["/a", "", "a", false], ["/b", "", "b", false], ["/c", "", "c", "table"],
  ]);
  await check('{"a/b":{"~":1},"":2}', [["/a~1b/~0", "a/b", "~", true], ["/", "", "", true]]);
  await check('{"far":1e999}', [["/far", "", "far", false]]);
  await check('{"__proto__":{"x":1},"constructor":2}', [["/constructor", "", "constructor", true]]);
  await check("7", [["", "", "value", true]]);
  await check("[3]", [["", "", "value", "series"]]);
  // Names keep the document's order, also those that look like an index, and the last of two holds.
  await check('{"b":1,"7":2,"a":3}', ["b", "7", "a"].map((name) => [`/${name}`, "", name, true]));
  await check('{"a":"x","a":1}', [["/a", "", "a", true]]);
  await check('{ "a" : "\\"1\\\\" , "b":-1.5E+3 }', [
    ["/a", "", "a", false], ["/b", "", "b", true],
  ]);

  const deep = await figures(`${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`);
  assert.equal(deep.leaves.length, 1);
  const many = Object.fromEntries(Array.from({ length: 1500 }, (_, at) => [`n${at}`, at]));
  assert.equal((await figures(JSON.stringify(many))).leftOut, 500);
});

test("numbers, differences and ages read well", async () => {
  const say = (verb, ...args) => page.evaluate(async ([name, given]) =>
    (await import("/file/wording.js"))[name](...given), [verb, args]);
  const check = async (verb, args, text) =>
    assert.equal(await say(verb, ...args), text, `${verb}(${args})`);

  await check("numberText", [0], "0");
  await check("numberText", [1234567], "1,234,567");
  await check("numberText", [-41.5], "\u221241.5");
  await check("numberText", [0.012345], "0.012345");
  await check("numberText", [0.01234567890123], "0.0123");
  await check("numberText", [1234.567890123], "1,234.568");
  await check("numberText", [12345678901], "12,345,678,901");
  await check("numberText", [2 ** 53], "9.01E15");
  await check("numberText", ["9007199254740991"], "9,007,199,254,740,991");
  await check("numberText", ["-9007199254740993.25"], "-9007199254740993.25");
  await check("numberText", ["9".repeat(40)], "9".repeat(40));
  await check("numberText", ["9".repeat(41)], "1E41");
  await check("numberText", ["1.50e3"], "1,500");
  await check("numberText", ["0.000001"], "0.000001");
  await check("numberText", [1e300], "1E300");
  await check("numberText", [-1.5e-9], "\u22121.5E\u22129");
  await check("differenceText", [3, 1], "+2");
  await check("differenceText", [1, 3], "\u22122");
  await check("differenceText", [5, 5], "");
  await check("differenceText", [0.3, 0.1], "+0.2");
  await check("differenceText", [1e308, -1e308], "");
  await check("differenceText", ["1234567890123456789", "1234567890123456788"], "+1");
  await check("differenceText", ["1234.5677", "1234.5678"], "\u22120.0001");
  await check("differenceText", ["0.30000000000000004", "0.3"], "");
  await check("differenceText", ["1.0", "1"], "");
  await check("differenceText", ["-0", "0"], "");
  await check("differenceText", ["1e300", "1"], "+1E300");
  await check("differenceText", ["1e-400", "0"], "");
  await check("ageText", [-5], "just now");
  await check("ageText", [2_900], "2 s ago");
  await check("ageText", [180_000], "3 min ago");
  await check("ageText", [3 * 3_600_000], "3 h ago");
  await check("ageText", [5 * 86_400_000], "5 days ago");
});

test("the history keeps one time line, with gaps, and forgets", async () => {
  const history = (steps) => page.evaluate(async (given) => {
    const { History } = await import("/file/history.js");
    const kept = new History();
    for (const step of given) {
      if (step === "break") kept.breakOff();
      else {
        const [second, numbers, wall = second] = step;
        kept.add(new Map(Object.entries(numbers)), second * 1000, wall * 1000);
      }
    }
    return { times: kept.times, moments: kept.moments, a: kept.of("a"), b: kept.of("b") };
  }, steps);

  const seconds = [1, 2, 3];
  assert.deepEqual(await history([[1, { a: 1 }], [2, { a: 2, b: 5 }], [3, { b: 6 }]]),
    { times: seconds, moments: seconds, a: [1, 2, null], b: [null, 5, 6] });
  assert.deepEqual((await history([[1, { a: 1 }], "break", "break", [3, { a: 2 }]])),
    { times: seconds, moments: seconds, a: [1, null, 2], b: [] });
  assert.deepEqual((await history([[1, { a: 1 }], "break", [5000, { a: 2 }]])).times, [5000]);
  // The wall clock is set back by 8 s and on by 90: two breaks, and the steady clock goes on.
  const set = await history([[10, { a: 1 }], [12, { a: 2 }, 4], [14, { a: 3 }, 96]]);
  assert.deepEqual(set.times, [10, 11, 12, 13, 14]);
  assert.deepEqual(set.moments, [10, 11, 4, 5, 96]);
  assert.deepEqual(set.a, [1, null, 2, null, 3]);
  const small = await history([[10, { a: 1 }], [12, { a: 2 }, 12.9]]);
  assert.deepEqual(small.a, [1, 2], "less than a second is no break");
  const many = Array.from({ length: 300 }, (_, at) => [at + 1, { a: at }]);
  const long = await history([[0, { b: 1 }], ...many]);
  assert.deepEqual([long.times.length, long.a.length, long.a.at(-1)], [120, 120, 299]);
  assert.deepEqual(long.b, []);
});
