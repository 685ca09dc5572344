// The page in headless Chromium, against the real program.
//
//   DASHBOARD_BIN  the program
//   CHROMIUM       the browser
//   SCREENSHOT     where to write the README's picture, if it is wanted
//
// Every wait is for a condition, with a deadline. The tests build on each other, in this order.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { Dashboard } from "./dashboard.mjs";

const { DASHBOARD_BIN, CHROMIUM, SCREENSHOT } = process.env;

const SOON = { timeout: 10_000 };
/** The page's longest delay between two tries is 10 s; then it needs an answer. */
const RECOVERY = { timeout: 20_000 };
/** Longer than the second in which the page treats an unchanged document as an error. */
const SHORT_POLL_S = "2";
/** The number of points for the README's picture. They arrive about once a second. */
const PICTURE_POINTS = 20;
const PICTURE = { timeout: 60_000 };
const DESKTOP = { width: 1280, height: 890 };
const PICTURE_SIZE = { width: 1280, height: 760 };
const SMALLEST_PHONE = { width: 320, height: 640 };

let dashboard;
let browser;
/** The page of all tests, and its errors. */
let page;
let watch;

before(async () => {
  assert.ok(DASHBOARD_BIN, "DASHBOARD_BIN names the dashboard's program");
  assert.ok(CHROMIUM, "CHROMIUM names the browser");
  dashboard = await Dashboard.start(DASHBOARD_BIN, "127.0.0.1:0");
  browser = await launch();
  const reader = { viewport: DESKTOP, colorScheme: "light", reducedMotion: "reduce" };
  ({ page, watch } = await openPage(reader));
});

after(async () => {
  await browser?.close();
  await dashboard?.kill();
});

test("the address leads to the page, and the page shows every figure", async () => {
  assert.equal(new URL(page.url()).pathname, "/file/index.html");
  await page.waitForSelector(".card canvas", SOON);
  assert.equal(await page.textContent("#state-text"), "Live");
  assert.equal(await page.textContent("h1"), "overview");

  const document = await (await fetch(`${dashboard.url}overview`)).json();
  const keys = numbersIn(document);
  assert.ok(keys.length > 0, "the embedded document holds figures");
  const shown = await page.$$eval(".card", (cards) => cards.map((card) => card.dataset.key));
  assert.deepEqual(shown.sort(), keys.sort());
  const headings = await page.$$eval("h2", (all) => all.map((heading) => heading.textContent));
  for (const group of ["warehouse", "cs", "receipts"]) assert.ok(headings.includes(group), group);
});

test("the figures move by themselves, and the header tells revision and age", async () => {
  const before = await page.getAttribute("#revision", "title");
  assert.match(before, /^\d+-/);
  const moved = (old) => document.querySelector("#revision").title !== old;
  await page.waitForFunction(moved, before, SOON);
  assert.match(await page.textContent("#age"), /^(just now|\d+ s ago)$/);
});

test("a document put into the database shows up", async () => {
  const put = (document) => { document.probe = { number: 4242.5 }; };
  await putUntilSeen(put, "/probe/number", "4242.5");
});

test("any document: deep, odd and hostile names are text, and go when they leave", async () => {
  const hostile = "<img src=x onerror=\"document.title='owned'\">";
  const probe = { [hostile]: -1e300, list: [1, { "a/b~c": 7, word: "<i>word</i>" }] };
  const put = (document) => { document.probe = probe; };
  assert.equal(await putUntilSeen(put, "/probe/list/1/a~1b~0c", "7"), "a/b~c");
  assert.equal(await putUntilSeen(put, `/probe/${hostile}`, "-1e+300"), hostile);
  assert.equal(await page.$$eval("main img, main i", (found) => found.length), 0);
  assert.doesNotMatch(await page.title(), /owned/);

  await dashboard.change((document) => { delete document.probe; });
  await page.waitForFunction(() => !document.querySelector("[data-key^='/probe']"), null, SOON);
});

test("the numbers stay silent: only the state is announced", async () => {
  const live = await page.$$eval(
    "[aria-live]:not([aria-live=off]), [role=status]", (all) => all.map(({ id }) => id));
  assert.deepEqual(live, ["state"]);
  const chart = await page.getAttribute(".card [role=img]", "aria-label");
  assert.match(chart, /^History of .+: lowest .+, highest .+, latest .+$/);
});

test("by keyboard: the skip link comes first, the slider looks back", async () => {
  const { page: fresh } = await openPage({ viewport: DESKTOP });
  const focused = () => fresh.evaluate(() => {
    const { className, id } = document.activeElement;
    return className || id;
  });
  await fresh.waitForSelector("#look-back:enabled", SOON);
  await fresh.keyboard.press("Tab");
  assert.equal(await focused(), "skip");
  await fresh.keyboard.press("Tab");
  assert.equal(await focused(), "look-back");
  await fresh.keyboard.press("Home");
  await reads(fresh, "#moment", /^\d\d:\d\d:\d\d$/);
  await reads(fresh, ".range", / at \d\d:\d\d:\d\d$/);
  await fresh.keyboard.press("End");
  await reads(fresh, "#moment", /^now$/);
  await fresh.keyboard.press("Shift+Tab");
  await fresh.keyboard.press("Enter");
  await fresh.waitForFunction(() => document.activeElement.id === "figures", null, SOON);
  await fresh.context().close();
});

test("on the smallest phone nothing is wider than the screen", async () => {
  const { page: phone } = await openPage({ viewport: SMALLEST_PHONE });
  await phone.waitForSelector(".card canvas", SOON);
  const width = await phone.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(width, SMALLEST_PHONE.width);
  const clipped = await phone.$$eval(".number", (all) => all
    .filter((number) => number.scrollWidth > number.clientWidth + 1)
    .map((number) => number.textContent));
  assert.deepEqual(clipped, []);
  await phone.context().close();
});

test("light and dark: the page and its charts follow the reader's choice", async () => {
  const light = await (await page.waitForFunction(newColours, null, SOON)).jsonValue();
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await page.waitForFunction(newColours, light, SOON);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
});

test("trouble that the server tells of is said in plain words", async () => {
  const { page: told } = await openPage({ viewport: DESKTOP }, async (context) => {
    // Requests of a shared worker cannot be answered in the server's place.
    await context.addInitScript(() => { delete globalThis.SharedWorker; });
    await context.route("**/overview*", (route) => route.fulfill({
      status: 503,
      headers: { "Retry-After": "1" },
      json: { error: "unavailable", reason: "no data yet" },
    }));
  });
  await says(told, "Connecting: no data yet");
  const context = told.context();
  const only = async (answer) => {
    await context.unroute("**/overview**");
    await context.unroute("**/overview*");
    await context.route("**/overview**", answer);
  };
  const document = { _id: "overview", _rev: "1-a", warehouse: { orders: 1 } };
  await only((route) => route.fulfill({ json: document, headers: { "Feed-State": "lost" } }));
  await says(told, "Feed disconnected, showing the last known data");
  await told.waitForSelector(".card[data-key='/warehouse/orders']", SOON);
  const deleted = { error: "not_found", reason: "deleted" };
  await only((route) => route.fulfill({ status: 404, json: deleted }));
  await says(told, "Document was deleted");
  await context.unroute("**/overview**");
  await says(told, "Live");
  await context.close();
});

test("the feed is lost: the page says so and keeps its figures", async () => {
  const couch = await Dashboard.start(DASHBOARD_BIN, "127.0.0.1:0");
  const follower = await Dashboard.start(DASHBOARD_BIN, "127.0.0.1:0", {
    couch: couch.database,
    more: ["--long-poll", SHORT_POLL_S],
  });
  try {
    const { page: told } = await openPage({ viewport: DESKTOP }, async () => {}, follower);
    await says(told, "Live");
    const figures = () => told.$$eval(".card", (cards) => cards.length);
    const figuresBefore = await figures();
    await couch.kill();
    await says(told, "Feed disconnected, showing the last known data");
    assert.equal(await figures(), figuresBefore);
    await told.context().close();
  } finally {
    await Promise.all([couch.kill(), follower.kill()]);
  }
});

test("the README's picture", { skip: !SCREENSHOT }, async () => {
  await page.setViewportSize(PICTURE_SIZE);
  const enough = (points) => Number(document.querySelector("#look-back").max) >= points;
  await page.waitForFunction(enough, PICTURE_POINTS, PICTURE);
  await page.screenshot({ path: SCREENSHOT, animations: "disabled" });
});

test("the server is gone: the page says so, keeps its figures, recovers by itself", async () => {
  const points = () => page.$eval("#look-back", (slider) => Number(slider.max));
  const figures = () => page.$$eval(".card", (cards) => cards.length);
  const [pointsBefore, figuresBefore] = [await points(), await figures()];

  watch.serverGone = true;
  await dashboard.kill();
  await says(page, "Server unreachable, retrying");
  assert.equal(await figures(), figuresBefore);

  dashboard = await Dashboard.start(DASHBOARD_BIN, dashboard.address);
  await says(page, "Live");
  watch.serverGone = false;
  const grown = (old) => Number(document.querySelector("#look-back").max) > old;
  await page.waitForFunction(grown, pointsBefore, SOON);
});

test("through all of it: no complaint, and nothing from elsewhere", () => {
  assert.deepEqual(watch.complaints, []);
  assert.deepEqual(watch.foreign, []);
});

/** A page of its own of the dashboard `at`, watched from its first request. */
async function openPage(options, prepare = async () => {}, at = dashboard) {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  await prepare(context);
  const opened = await context.newPage();
  await opened.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => {
      console.error(`policy violated: ${violatedDirective} ${blockedURI}`);
    });
  });
  const watched = watchOver(opened);
  await opened.goto(at.url);
  return { page: opened, watch: watched };
}

function watchOver(opened) {
  const watched = { complaints: [], foreign: [], serverGone: false };
  opened.on("pageerror", (error) => watched.complaints.push(String(error)));
  opened.on("console", (message) => {
    const complains = ["error", "warning"].includes(message.type());
    const excused = watched.serverGone && message.text().startsWith("Failed to load resource");
    if (complains && !excused) watched.complaints.push(message.text());
  });
  opened.on("request", (request) => {
    const url = new URL(request.url());
    if (url.host !== dashboard.address) watched.foreign.push(request.url());
  });
  return watched;
}

async function says(opened, text) {
  const isSaid = (wanted) => document.querySelector("#state-text").textContent === wanted;
  await opened.waitForFunction(isSaid, text, RECOVERY);
}

async function reads(opened, selector, pattern) {
  const matches = ([place, wanted]) => wanted.test(document.querySelector(place).textContent);
  await opened.waitForFunction(matches, [selector, pattern], SOON);
}

/**
 * Puts a changed document until the page has shown `value` at `key`; resolves to its label. One
 * put is enough if the built-in figures keep added members. If they replace the document, the page
 * may only see the document after it.
 */
async function putUntilSeen(change, key, value) {
  const deadline = Date.now() + SOON.timeout;
  const shown = page.waitForFunction(
    ([wantedKey, wanted]) => [...document.querySelectorAll(".card")].find((card) =>
      card.dataset.key === wantedKey && card.querySelector(".number").title === wanted,
    )?.querySelector("h3").textContent,
    [key, value], SOON,
  ).then((label) => label.jsonValue());
  shown.catch(() => {});
  while (Date.now() < deadline) {
    const revision = await dashboard.change(change);
    const passed = page.waitForFunction((put) => {
      const number = (text) => Number.parseInt(text, 10);
      return number(document.querySelector("#revision").title) > number(put);
    }, revision, SOON).then(() => null);
    passed.catch(() => {});
    const label = await Promise.race([shown, passed]);
    if (label !== null) return label;
  }
  return shown;
}

/** The JSON Pointers of all numbers in a document. */
function numbersIn(value, key = "") {
  if (typeof value === "number") return [key];
  if (value === null || typeof value !== "object") return [];
  const escape = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");
  return Object.entries(value)
    .filter(([name]) => key !== "" || !name.startsWith("_"))
    .flatMap(([name, inner]) => numbersIn(inner, `${key}/${escape(name)}`));
}

/**
 * Runs in the page: the ground's colour, and the most frequent opaque colour in the first chart,
 * its line; null as long as one of them is still `old`'s.
 */
function newColours(old) {
  const canvas = document.querySelector(".card canvas");
  // Read from a copy: reading makes the browser draw a canvas in another way from then on.
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  const counts = new Map();
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 255) continue;
    const colour = data.slice(at, at + 3).join(" ");
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const line = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
  const ground = getComputedStyle(document.body).backgroundColor;
  return line && line !== old?.line && ground !== old?.ground ? { line, ground } : null;
}
