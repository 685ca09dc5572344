// The page's modules that know no document and no server, in the engine they are written for.

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
    const { figures: found, leftOut } = figuresOf(JSON.parse(source));
    const row = (one) => [one.key, one.group.join(">"), one.label, isNumber(one)];
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
  await check('{"a":[1,[2]]}', [["/a/0", "a", "0", true], ["/a/1/0", "a>1", "0", true]]);
  await check('{"a/b":{"~":1},"":2}', [["/a~1b/~0", "a/b", "~", true], ["/", "", "", true]]);
  await check('{"far":1e999}', [["/far", "", "far", false]]);
  await check('{"__proto__":{"x":1},"constructor":2}', [["/constructor", "", "constructor", true]]);
  await check("7", [["", "", "value", true]]);
  await check("[3]", [["/0", "", "0", true]]);

  const deep = await figures(`${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`);
  assert.equal(deep.leaves.length, 1);
  assert.equal((await figures(JSON.stringify(new Array(1500).fill(0)))).leftOut, 500);
});

test("numbers, differences and ages read well", async () => {
  const say = (verb, ...args) => page.evaluate(async ([name, given]) =>
    (await import("/file/wording.js"))[name](...given), [verb, args]);
  const check = async (verb, args, text) =>
    assert.equal(await say(verb, ...args), text, `${verb}(${args})`);

  await check("numberText", [0], "0");
  await check("numberText", [1234567], "1,234,567");
  await check("numberText", [-41.5], "\u221241.5");
  await check("numberText", [0.012345], "0.0123");
  await check("numberText", [12345678901], "12.346B");
  await check("numberText", [1e300], "1E300");
  await check("numberText", [-1.5e-9], "\u22121.5E\u22129");
  await check("differenceText", [3, 1], "+2");
  await check("differenceText", [1, 3], "\u22122");
  await check("differenceText", [5, 5], "");
  await check("differenceText", [0.3, 0.1], "+0.2");
  await check("differenceText", [1e308, -1e308], "");
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
      else kept.add(step[0], new Map(Object.entries(step[1])));
    }
    return { times: kept.times, a: kept.of("a"), b: kept.of("b") };
  }, steps);

  assert.deepEqual(await history([[1, { a: 1 }], [2, { a: 2, b: 5 }], [3, { b: 6 }]]),
    { times: [1, 2, 3], a: [1, 2, null], b: [null, 5, 6] });
  assert.deepEqual((await history([[1, { a: 1 }], "break", "break", [3, { a: 2 }]])),
    { times: [1, 2, 3], a: [1, null, 2], b: [] });
  assert.deepEqual((await history([[1, { a: 1 }], "break", [5000, { a: 2 }]])).times, [5000]);
  const backwards = await history([[10, { a: 1 }], [9, { a: 2 }]]);
  assert.ok(backwards.times[1] > backwards.times[0]);
  const many = Array.from({ length: 300 }, (_, at) => [at + 1, { a: at }]);
  const long = await history([[0, { b: 1 }], ...many]);
  assert.deepEqual([long.times.length, long.a.length, long.a.at(-1)], [120, 120, 299]);
  assert.deepEqual(long.b, []);
});
