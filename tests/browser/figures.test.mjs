// How the page shows numbers, texts and arrays, in headless Chromium with the real program.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Probe, textOf } from "./probe.mjs";

const SOON = { timeout: 10_000 };

let probe;
let page;

before(async () => {
  probe = await Probe.start();
  page = await probe.open('"n":1');
});

after(() => probe?.stop());

const card = (key) => `.card[data-key='${key}']`;
const number = (key) => page.$eval(`${card(key)} .number`, ({ firstChild, title }) =>
  ({ text: firstChild.data, title }));
const fact = (key) => textOf(page, `.facts [data-key='${key}'] dd`);
const difference = (key) => page.$eval(`${card(key)} .difference`, (found) => found.textContent);

test("an integer that no double holds is shown as it is written, not its neighbour", async () => {
  await probe.show(page, '"a":9007199254740993,"b":1234567890123456789,"c":-9007199254740993');
  for (const [key, written] of [
    ["/a", "9007199254740993"], ["/b", "1234567890123456789"], ["/c", "-9007199254740993"],
  ]) {
    assert.deepEqual(await number(key), { text: written, title: written }, key);
  }
});

test("a number that doubles have no equal of is not changed to Infinity or 0", async () => {
  await probe.show(page, '"a":-0,"b":1E400,"c":1e999,"d":-1e999,"e":1e-400,"f":-0.0');
  assert.deepEqual(await number("/a"), { text: "-0", title: "-0" });
  assert.equal(await fact("/b"), "1E400");
  assert.equal(await fact("/c"), "1e999");
  assert.equal(await fact("/d"), "-1e999");
  assert.deepEqual(await number("/e"), { text: "1e-400", title: "1e-400" });
  assert.deepEqual(await number("/f"), { text: "-0.0", title: "-0.0" });
});

test("a number is not shown coarser than the difference beside it", async () => {
  await probe.show(page, '"a":1234.5677,"time":1764561821,"big":9007199254740992');
  await probe.show(page, '"a":1234.5678,"time":1764561822,"big":9007199254740993');
  assert.equal((await number("/a")).text, "1,234.5678");
  assert.equal(await difference("/a"), "\u25b2+0.0001");
  assert.equal((await number("/time")).text, "1,764,561,822");
  assert.equal(await difference("/time"), "\u25b2+1");
  assert.equal(await difference("/big"), "\u25b2+1");
});

test("what a number is rounded from can be read without a mouse", async () => {
  await probe.show(page, '"a":0.30000000000000004,"b":2.5');
  assert.deepEqual(await number("/a"), { text: "0.3", title: "0.30000000000000004" });
  const shown = () => page.$eval(`${card("/a")} .number`, (found) =>
    getComputedStyle(found, "::after").content);
  assert.equal(await shown(), "none");
  await page.focus(`${card("/a")} .number`);
  assert.equal(await shown(), '"0.30000000000000004"');
  assert.equal(await page.$(`${card("/b")} .number[tabindex]`), null, "nothing is hidden of 2.5");
});

test("a difference does not vanish when another figure changes or nothing does", async () => {
  await probe.show(page, '"a":1,"b":1');
  await probe.show(page, '"a":4,"b":1');
  await probe.show(page, '"a":4,"b":2');
  await probe.show(page, '"a":4.0,"b":2,"c":"a third one"');
  assert.equal(await difference("/a"), "\u25b2+3");
  await probe.show(page, '"a":2,"b":2');
  assert.equal(await difference("/a"), "\u25bc\u22122");
});

test("a rise is not called good and a fall bad by a colour", async () => {
  await probe.show(page, '"up":1,"down":3');
  await probe.show(page, '"up":2,"down":2');
  const colour = (key) => page.$eval(`${card(key)} .difference`, (found) =>
    getComputedStyle(found).color);
  assert.equal(await colour("/up"), await colour("/down"));
});

test("a change starts no animation that paints each frame, and colours its number", async () => {
  await probe.show(page, '"a":1,"b":1');
  await page.waitForFunction(() => !document.querySelector(".number.new"), null, SOON);
  await page.evaluate(() => {
    const [a, b] = ["/a", "/b"].map((key) => document.querySelector(`[data-key='${key}'] .number`));
    const look = () => {
      globalThis.atTheChange = {
        animations: document.getAnimations().length,
        isColoured: getComputedStyle(a).color !== getComputedStyle(b).color,
      };
    };
    // What the browser paints with comes a frame after the change.
    new MutationObserver(() => requestAnimationFrame(look)).observe(a, { childList: true });
  });
  await probe.show(page, '"a":2,"b":1');
  const changed = await page.waitForFunction(() => globalThis.atTheChange, null, SOON);
  assert.deepEqual(await changed.jsonValue(), { animations: 0, isColoured: true });
  await page.waitForFunction(() => {
    const [a, b] = ["/a", "/b"].map((key) => document.querySelector(`[data-key='${key}'] .number`));
    return getComputedStyle(a).color === getComputedStyle(b).color;
  }, null, SOON);
});

test("an array of numbers is one chart, not a card for each", async () => {
  await probe.show(page, '"day":[1,2,3,-4,5],"one":[7]');
  assert.equal(await page.$$eval(".card", (all) => all.length), 2);
  const words = await page.getAttribute(`${card("/day")} [role=img]`, "aria-label");
  assert.equal(words, "Numbers of day: 5 in all, lowest \u22124, highest 5");
  assert.equal(await textOf(page, `${card("/day")} .head .difference`), "5 numbers");
  await page.waitForSelector(`${card("/day")} canvas`);
  const { x, y } = await page.locator(`${card("/day")} .u-over`).boundingBox();
  await page.mouse.move(x + 3, y + 10);
  assert.equal(await textOf(page, `${card("/day")} .range`), "1, number 1 of 5");
  await page.mouse.move(0, 0);

  const drawn = () => page.$eval(`${card("/day")} canvas`, (canvas) => canvas.toDataURL());
  const before = await drawn();
  await probe.show(page, '"day":[1,2,3,-4,5,60,7],"one":[7]');
  assert.equal(await textOf(page, `${card("/day")} .range`), "low \u22124, high 60");
  assert.notEqual(await drawn(), before);
});

test("an array of objects is a table, not headings 0, 1, 2", async () => {
  const tills = (sales) => `"tills":[{"name":"till 1","sales":${sales},"open":true},` +
    '{"name":"till 2","note":"","sales":9007199254740993}]';
  await probe.show(page, tills(5));
  const rows = () => page.$$eval("[data-key='/tills'] tr", (all) => all.map((row) =>
    [...row.children].map((cell) => cell.textContent).join("|")));
  assert.deepEqual(await rows(), [
    "name|sales|open|note", "till 1|5|true|", "till 2|9007199254740993||(empty)",
  ]);
  assert.equal(await textOf(page, "caption"), "tills");
  await probe.show(page, tills(6));
  assert.match((await rows())[1], /^till 1\|6\|/);

  await probe.show(page, `"many":[${Array.from({ length: 103 }, (_, n) => `{"n":${n}}`)}]`);
  assert.equal((await rows()).length, 0);
  assert.equal(await page.$$eval("[data-key='/many'] tbody tr", (all) => all.length), 100);
  assert.equal(await textOf(page, "[data-key='/many'] .left-out"), "3 more rows not shown.");
});

test("a heading stood far from its numbers where an object of an array has none", async () => {
  await probe.show(page, '"rows":[{"a":1,"b":2,"c":3},{"a":3,"b":"x"}]');
  const sides = (part) => page.$$eval(`[data-key='/rows'] ${part}`, (all) => all.map((cell) =>
    getComputedStyle(cell).textAlign));
  const [ofNumbers, ofText] = await sides("tr:last-child td");
  assert.notEqual(ofNumbers, ofText);
  assert.deepEqual(await sides("th"), [ofNumbers, ofText, ofNumbers]);
});

test("an element of an array with figures of its own is headed by its name", async () => {
  await probe.show(page, '"sites":[{"name":"north","in":{"a":1}},{"name":"north","in":{"a":2}}]');
  const headings = await page.$$eval("h2", (all) => all.map((heading) => heading.textContent));
  assert.deepEqual(headings.filter((text) => text.endsWith("in")), [
    "sites / north / in", "sites / north / in",
  ]);
  assert.deepEqual(await number("/sites/1/in/a"), { text: "2", title: "2" });
});

test("an empty text, array or object is not an empty box", async () => {
  await probe.show(page, '"text":"","list":[],"object":{},"word":"x"');
  for (const key of ["/text", "/list", "/object"]) assert.equal(await fact(key), "(empty)");
  assert.equal(await fact("/word"), "x");
});

test("a date is shown for reading, and nothing that is no date", async () => {
  const texts = {
    "/zone": ["2026-12-01T03:12:45.123Z", "Dec 1, 2026, 04:12:45"],
    "/offset": ["2026-07-01T03:12+0100", "Jul 1, 2026, 04:12:00"],
    "/local": ["2026-12-01T03:12:45", "Dec 1, 2026, 03:12:45"],
    "/day": ["2026-12-01", "Dec 1, 2026"],
    "/no_day": ["2026-02-31", "2026-02-31"],
    "/no_hour": ["2026-02-01T25:00:00Z", "2026-02-01T25:00:00Z"],
    "/version": ["2026-12", "2026-12"],
  };
  const members = Object.entries(texts).map(([key, [text]]) => [key.slice(1), text]);
  await probe.show(page, JSON.stringify(Object.fromEntries(members)).slice(1, -1));
  for (const [key, [text, shown]] of Object.entries(texts)) {
    assert.equal(await fact(key), shown, text);
  }
  const title = await page.getAttribute("[data-key='/zone'] time", "title");
  assert.equal(title, "2026-12-01T03:12:45.123Z");
});

test("an address of the web is a link, and no other scheme ever is", async () => {
  const addresses = {
    yes: "https://example.com/a?b=c#d",
    plain: "http://example.com",
    script: "javascript:alert(1)",
    data: "data:text/html,x",
    file: "file:///etc/passwd",
    user: "https://bank.example@evil.example/",
    words: "https://example.com is a page",
    broken: "https://",
    list: "blob:https://example.com/1",
  };
  await probe.show(page, JSON.stringify(addresses).slice(1, -1));
  const links = await page.$$eval("main a", (all) => all.map(({ href, rel, target, textContent }) =>
    ({ href, rel, target, textContent })));
  const opened = { rel: "noopener noreferrer", target: "_blank" };
  assert.deepEqual(links, [
    { href: addresses.yes, ...opened, textContent: addresses.yes },
    { href: `${addresses.plain}/`, ...opened, textContent: addresses.plain },
  ]);
  assert.equal(await fact("/script"), addresses.script);
});

test("what a revision is dated by is not called the age of its data", async () => {
  const terms = await page.$$eval("#data dt", (all) => all.map((term) => term.textContent.trim()));
  assert.deepEqual(terms, ["Seen", "Revision"]);
});

test("a text of eight megabytes is read, too", async () => {
  await page.evaluate(async () => {
    const { figuresOf } = await import("/file/figures.js");
    const text = `{"text":"${"a\\n".repeat(2_700_000)}","n":12345678901234567890}`;
    const [long, last] = figuresOf(text).figures;
    if (long.value.length !== 5_400_000) throw new Error(`${long.value.length} characters`);
    if (last.written !== "12345678901234567890") throw new Error(last.written);
    const plain = figuresOf(`["${"b".repeat(8_000_000)}"]`).figures[0];
    if (plain.value.length !== 8_000_000) throw new Error(`${plain.value.length} characters`);
  });
});
