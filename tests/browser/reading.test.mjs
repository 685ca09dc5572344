// The page with a screen reader, by keyboard, by touch, enlarged or on paper.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Probe, findings } from "./probe.mjs";

const SOON = { timeout: 10_000 };
const PHONE = { width: 390, height: 844 };
/** The text spacing that WCAG 1.4.12 allows a reader to choose. */
const TEXT_SPACING = `* { line-height: 1.5 !important; letter-spacing: .12em !important;
  word-spacing: .16em !important } p { margin-bottom: 2em !important }`;

let probe;

before(async () => {
  probe = await Probe.start();
});

after(() => probe?.stop());

const many = (count) => Array.from({ length: count }, (_, at) => `"n${at}":${at}`).join();

test("a chart that is out of sight has a name, too", async () => {
  const page = await probe.open(many(200));
  const names = await page.$$eval("[role=img]", (all) => all.map((chart) =>
    chart.getAttribute("aria-label")));
  assert.equal(names.length, 200);
  assert.equal(names[199], "History of n199: lowest 199, highest 199, latest 199");
  assert.equal(names.filter((name) => !name).length, 0);
  const drawn = await page.$$eval("canvas", (all) => all.length);
  assert.ok(drawn < 200, "only what is in sight is drawn");
  await page.context().close();
});

test("axe has no finding, on the screen and out of sight", async () => {
  const long = JSON.stringify("word ".repeat(1000));
  const page = await probe.open(`${many(60)},"long":${long},"link":"https://example.com/",
    "day":[1,2,3],"rows":[{"a":1,"b":"x"}],"a name that is longer than its card can hold":2.5`);
  assert.deepEqual(await findings(page), []);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.deepEqual(await findings(page), []);
  await page.context().close();
});

test("a long text can be scrolled by keyboard, a short one is no stop", async () => {
  const page = await probe.open(`"long":${JSON.stringify("word ".repeat(1000))},"short":"word"`);
  await page.waitForSelector("[data-key='/long'] dd[tabindex='0']", SOON);
  assert.equal(await page.$("[data-key='/short'] dd[tabindex]"), null);
  await page.focus("[data-key='/long'] dd");
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.activeElement.scrollTop > 0, null, SOON);
  await probe.show(page, '"long":"word","short":"word"');
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForFunction(() => !document.querySelector("[data-key='/long'] dd[tabindex]"),
    null, SOON);
  await page.context().close();
});

test("a name that is cut off is whole for who focuses or touches it", async () => {
  const name = "a name of a figure that is much longer than its small card can ever hold";
  const page = await probe.open(`"${name}":1,"b":2`, { viewport: PHONE, hasTouch: true });
  const isCut = () => page.$eval(`[data-key='/${name}'] h3`, (label) =>
    label.scrollHeight > label.clientHeight + 1 && getComputedStyle(label).overflow === "hidden");
  await page.waitForSelector(`[data-key='/${name}'] h3[tabindex='0']`, SOON);
  assert.equal(await isCut(), true);
  await page.tap(`[data-key='/${name}'] h3`);
  assert.equal(await isCut(), false);
  assert.equal(await page.$("[data-key='/b'] h3[tabindex]"), null, "what fits is no stop");
  await page.context().close();
});

test("with a reader's own text spacing nothing runs out of its card", async () => {
  const page = await probe.open(`"a":9007199254740993,"b":1.23e29,"c":1234567.891,
    "calls_waiting_now":-1234567.891,"text":"https://example.com/${"long".repeat(40)}",
    "rows":[{"name":"till one","sales":1234567}],"day":[1234567.891,2]`, { viewport: PHONE });
  // A style sheet of the test's own is not subject to the page's policy.
  await page.evaluate((css) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [sheet];
  }, TEXT_SPACING);
  await probe.show(page, `"a":9007199254740999,"b":1.24e29,"c":1234568.999,
    "calls_waiting_now":-2234567.891,"text":"https://example.com/${"long".repeat(40)}",
    "rows":[{"name":"till one","sales":1234567}],"day":[1234567.891,2]`);
  const outside = await page.evaluate(() => {
    const range = document.createRange();
    const parts = document.querySelectorAll(
      ".card h3, .card .number, .card .difference, .card .range, .facts dt, .facts dd");
    return [...parts].filter((part) => {
      range.selectNodeContents(part);
      const [text, box] = [range.getBoundingClientRect(),
        part.closest(".card, .facts > div").getBoundingClientRect()];
      return text.left < box.left || text.right > box.right || text.bottom > box.bottom + 1;
    }).map((part) => `${part.className || part.tagName}: ${part.textContent}`);
  });
  assert.deepEqual(outside, []);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(width, PHONE.width);
  await page.context().close();
});

test("cards without a heading stand level with their neighbours", async () => {
  const page = await probe.open('"plain":1,"group":{"n":2}');
  const top = (key) => page.$eval(`[data-key='${key}']`, (card) =>
    card.getBoundingClientRect().top);
  assert.equal(await top("/plain"), await top("/group/n"));
  await page.context().close();
});

test("on paper there is no skip link, no cut card, and every chart", async () => {
  const page = await probe.open(many(60));
  const drawn = () => page.$$eval("canvas", (all) => all.length);
  assert.ok(await drawn() < 60);
  await page.pdf({ format: "A4" });
  assert.equal(await drawn(), 60);
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.isVisible(".skip"), false);
  assert.equal(await page.isVisible("#look-back"), false);
  const styles = await page.$eval(".card:last-child", (card) => {
    const { breakInside, contentVisibility } = getComputedStyle(card);
    return { breakInside, contentVisibility };
  });
  assert.deepEqual(styles, { breakInside: "avoid", contentVisibility: "visible" });
  await page.context().close();
});
