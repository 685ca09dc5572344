// How the page polls: if dashboards differ, if the network or the feed is lost, below a path of a
// proxy, and in many tabs at the same time.
//
// Every wait is for a condition, with a deadline.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";
import { Dashboard } from "./dashboard.mjs";
import { Link, Proxy } from "./proxies.mjs";

const { DASHBOARD_BIN } = process.env;

const SOON = { timeout: 15_000 };
const RECOVERY = { timeout: 60_000 };
const TABS = 12;
/** Only a change, or news of the feed, ends a poll. */
const FOR_EVER = ["--long-poll", "3600"];
/** The feed does not time out while a test holds its connection. */
const PATIENT = ["--heartbeat", "600", "--retry-cap", "0.5"];

let browser;

before(async () => {
  browser = await launch(["--host-resolver-rules=MAP dash.test 127.0.0.1"]);
});

after(async () => {
  await browser?.close();
});

test("two dashboards a revision apart: no older revision is shown, and no storm", async (t) => {
  const source = await start(t, ["--doc", "board"]);
  const link = await Link.to(source.database);
  t.after(() => link.cut());
  const following = { couch: source.database, more: ["--doc", "board", "--long-poll", "2"] };
  const ahead = await start(t, [], following);
  const more = [...following.more, ...PATIENT];
  const behind = await start(t, [], { couch: link.url, more });
  await put(source, "board", { n: 1 });
  for (const dashboard of [ahead, behind]) await serves(dashboard, "board", (tag) => tag === 1);

  link.hold();
  await put(source, "board", { n: 2 });
  await serves(ahead, "board", (tag) => tag === 2);
  let turn = 0;
  const proxy = await Proxy.start((path) => {
    turn += 1;
    return { url: [ahead, behind][turn % 2].url, path };
  });
  t.after(() => proxy.close());
  const { page, shown, states } = await open(t, `${proxy.url}/file/index.html?doc=board`);
  await shows(page, 2);

  const isPoll = ({ path }) => path.startsWith("/board");
  const older = () => proxy.asked.filter((one) => isPoll(one) && generation(one.tag) === 1);
  const [olderBefore, began] = [older().length, performance.now()];
  const pollsBefore = proxy.asked.filter(isPoll).length;
  await until(() => older().length >= olderBefore + 4, RECOVERY);
  const seconds = (performance.now() - began) / 1000;
  const polls = proxy.asked.filter(isPoll).length - pollsBefore;
  assert.ok(polls <= seconds + 1, `${polls} polls in ${seconds.toFixed(1)} s`);

  // A change is shown whichever dashboard is asked first, and the late one catches up.
  await put(source, "board", { n: 3 });
  await shows(page, 3);
  link.release();
  await put(source, "board", { n: 4 });
  await shows(page, 4);
  await serves(behind, "board", (tag) => tag === 4);
  const generations = (await shown()).map(generation);
  const ascending = generations.toSorted((one, other) => one - other);
  assert.deepEqual(generations, ascending, "nothing went back");
  assert.deepEqual((await states()).filter((state) => !/^(Connecting|Live)/.test(state)), []);
});

test("what is older is told from what rightly went back", async (t) => {
  const dashboard = await start(t);
  const { page } = await open(t, dashboard.url);
  const taken = (answers) => page.evaluate(async (given) => {
    const { Shown } = await import("/file/shown.js");
    const shown = new Shown();
    return given.map(([revision, database, supersedes, atS]) =>
      shown.take({ revision, database, supersedes }, (atS ?? 0) * 1000));
  }, answers);
  for (const [answers, expected] of [
    [[["7-a"], ["8-b"], ["7-a"], ["8-b"], ["9-c"]], ["new", "new", "older", "same", "new"]],
    [[["7-b"], ["7-a"], ["7-c"], ["10-a"]], ["new", "older", "new", "new"]],
    // A branch was deleted; also for a page that did not see the revision that was left.
    [[["8-x"], ["7-y", null, "8-x"], ["8-x"]], ["new", "same", "same"]],
    [[["8-w"], ["7-y", null, "8-x"]], ["new", "same"]],
    [[["9-x"], ["7-y", null, "8-x"]], ["new", "older"]],
    // Another database; a dashboard that does not know of it yet, and after a minute it is right.
    [[["50-a", "A"], ["1-b", "B"], ["50-a", "A"], ["2-c", "B"]], ["new", "new", "older", "new"]],
    [[["5-a", "A"], ["1-b", "B"], ["5-a", "A", null, 61]], ["new", "new", "new"]],
    // Gone, and there again; turns of both are no progress.
    [[["3-a"], ["4-d"], ["5-b"]], ["new", "new", "new"]],
    [[["3-a"], ["none"], ["3-a"], ["none"]], ["new", "new", "same", "same"]],
    [[["none"], ["1-a"], ["none"], ["2-b"]], ["new", "new", "same", "new"]],
    // Text that has no order.
    [[["x"], ["y"], ["x"], ["y"], ["z"]], ["new", "new", "same", "same", "new"]],
  ]) assert.deepEqual(await taken(answers), expected, JSON.stringify(answers));
});

test("the network is away: the page says so at once, and asks anew when it is back", async (t) => {
  const dashboard = await start(t, ["--doc", "board", ...FOR_EVER]);
  await put(dashboard, "board", { n: 1 });
  const { page, context } = await open(t, page_of(dashboard, "board"), { alone: true });
  await says(page, "Live");
  await context.setOffline(true);
  await says(page, "Server unreachable, retrying", SOON);
  await put(dashboard, "board", { n: 2 });
  await context.setOffline(false);
  await shows(page, 2);
  await says(page, "Live");

  // The worker hears of it from its tabs. It may reach the server all the same, as on one machine.
  const shared = await open(t, page_of(dashboard, "board"));
  await says(shared.page, "Live");
  await shared.page.evaluate(() => dispatchEvent(new Event("offline")));
  await until(async () => (await shared.states()).includes("Server unreachable, retrying"), SOON);
  await says(shared.page, "Live");
});

test("a short --long-poll is no trouble", async (t) => {
  const dashboard = await start(t, ["--doc", "board", "--long-poll", "0.5"]);
  await put(dashboard, "board", { n: 1 });
  const { page, states } = await open(t, page_of(dashboard, "board"));
  await says(page, "Live");
  // Two polls a second end in vain: with a pause after each they would take minutes.
  const timedOut = () => figure(dashboard, 'dashboard_polls_total{cause="timed_out"}');
  await until(async () => await timedOut() >= 25, { timeout: 30_000 });
  assert.deepEqual(await states(), ["Connecting", "Live"]);
});

test("the pauses of a page grew to seconds where no poll is held for longer", async (t) => {
  const dashboard = await start(t, ["--doc", "board", "--long-poll", "0.05"]);
  await put(dashboard, "board", { n: 1 });
  const { page, states } = await open(t, page_of(dashboard, "board"));
  await says(page, "Live");
  // A poll a second. With pauses that grow the last of these would come after some 100 s.
  const timedOut = () => figure(dashboard, 'dashboard_polls_total{cause="timed_out"}');
  await until(async () => await timedOut() >= 20, RECOVERY);
  assert.deepEqual(await states(), ["Connecting", "Live"]);
});

test("a long --long-poll is no trouble", async (t) => {
  for (const [seconds, limit_s] of [["41", 53], ["60", 72], ["3600", 3612]]) {
    const dashboard = await start(t, ["--doc", "board", "--long-poll", seconds]);
    await put(dashboard, "board", { n: 1 });
    const { page } = await open(t, page_of(dashboard, "board"), { alone: true, clock: true });
    await says(page, "Live");
    await until(async () => await figure(dashboard, "dashboard_parked") === 1, SOON);
    await page.clock.fastForward((limit_s - 2) * 1000);
    assert.equal(await page.textContent("#state-text"), "Live", `${seconds} s are not over`);
    await dashboard.kill();
    await says(page, "Server unreachable, retrying");
    await page.context().close();
  }
});

test("the feed is lost: the page says so though its poll waits, and when it is back", async (t) => {
  const source = await start(t, ["--doc", "board"]);
  const link = await Link.to(source.database);
  t.after(() => link.cut());
  const more = ["--doc", "board", ...FOR_EVER, ...PATIENT];
  const dashboard = await start(t, [], { couch: link.url, more });
  await put(source, "board", { n: 1 });
  const { page } = await open(t, page_of(dashboard, "board"));
  await says(page, "Live");
  link.cut();
  await says(page, "Feed disconnected, showing the last known data", SOON);
  await link.restore();
  await says(page, "Live", SOON);
  assert.equal(await page.getAttribute("[data-key='/n'] .number", "title"), "1");
});

test("a document that comes, goes and comes back is shown at once", async (t) => {
  const dashboard = await start(t, ["--doc", "board", ...FOR_EVER]);
  const { page } = await open(t, page_of(dashboard, "board"));
  await says(page, "Document does not exist yet");
  await until(async () => await figure(dashboard, "dashboard_parked") === 1, SOON);
  const revision = await put(dashboard, "board", { n: 1 });
  await shows(page, 1);
  await says(page, "Live");
  await fetch(`${dashboard.database}/board?rev=${revision}`, { method: "DELETE" });
  await says(page, "Document was deleted");
  await until(async () => await figure(dashboard, "dashboard_parked") === 1, SOON);
  await put(dashboard, "board", { n: 3 });
  await shows(page, 3);
  await says(page, "Live");

  const other = await open(t, page_of(dashboard, "nosuch"));
  await says(other.page, "This dashboard does not follow this document");
});

test("below a path of a proxy everything works", async (t) => {
  const dashboard = await start(t);
  const proxy = await Proxy.start((path) => {
    if (!path.startsWith("/dash/")) return null;
    return { url: dashboard.url, path: path.slice("/dash".length) };
  });
  t.after(() => proxy.close());
  for (const alone of [true, false]) {
    const { page, revision } = await open(t, `${proxy.url}/dash/`, { alone });
    assert.equal(new URL(page.url()).pathname, "/dash/file/index.html");
    await says(page, "Live");
    await page.waitForSelector(".card canvas", SOON);
    const before = await revision();
    await until(async () => generation(await revision()) > generation(before) + 1, SOON);
  }
  const failed = proxy.asked.filter(({ status }) => status >= 400).map(({ path }) => path);
  assert.deepEqual(failed, []);
});

for (const name of ["localhost", "dash.test"]) {
  test(`twelve tabs of one browser are live with one poll, by ${name}`, async (t) => {
    const dashboard = await start(t, ["--doc", "board", ...FOR_EVER]);
    await put(dashboard, "board", { n: 1 });
    const address = page_of(dashboard, "board").replace("127.0.0.1", name);
    const context = await newContext(t);
    const tabs = [];
    for (let tab = 0; tab < TABS; tab += 1) {
      const { page } = await open(t, address, { context });
      await says(page, "Live", SOON);
      await shows(page, 1);
      tabs.push(page);
    }
    const secure = await tabs[0].evaluate(() => isSecureContext);
    assert.equal(secure, name === "localhost", "plain http is no secure context elsewhere");
    assert.equal(await figure(dashboard, "dashboard_parked"), 1);
    await put(dashboard, "board", { n: 2 });
    await Promise.all(tabs.map((tab) => shows(tab, 2)));
    await tabs.shift().close();
    await put(dashboard, "board", { n: 3 });
    await Promise.all(tabs.map((tab) => shows(tab, 3)));
    await until(async () => await figure(dashboard, "dashboard_parked") === 1, SOON);
    // The last tab takes the poll with it.
    for (const tab of tabs) await tab.close();
    await until(async () => await figure(dashboard, "dashboard_parked") === 0, SOON);
  });
}

test("more documents than a browser has connections: each is live, few polls wait", async (t) => {
  const names = Array.from({ length: 9 }, (_, at) => `d${at}`);
  const docs = names.flatMap((name) => ["--doc", name]);
  const dashboard = await start(t, [...docs, ...FOR_EVER]);
  const context = await newContext(t);
  const tabs = [];
  for (const name of names) {
    await put(dashboard, name, { n: 1 });
    const { page } = await open(t, page_of(dashboard, name), { context });
    await shows(page, 1);
    tabs.push(page);
  }
  for (const name of names.toReversed()) await put(dashboard, name, { n: 2 });
  await Promise.all(tabs.map((tab) => shows(tab, 2)));
  for (const tab of tabs) assert.equal(await tab.textContent("#state-text"), "Live");
  assert.ok(await figure(dashboard, "dashboard_parked") <= 4);
});

test("without a shared worker hidden tabs rest", async (t) => {
  const dashboard = await start(t, ["--doc", "board", ...FOR_EVER]);
  await put(dashboard, "board", { n: 1 });
  const context = await newContext(t, { alone: true });
  const tabs = [];
  for (let tab = 0; tab < TABS; tab += 1) {
    const { page } = await open(t, page_of(dashboard, "board"), { context });
    await shows(page, 1);
    await until(async () => await figure(dashboard, "dashboard_parked") === 1, SOON);
    await look(page, "hidden");
    await until(async () => await figure(dashboard, "dashboard_parked") === 0, SOON);
    tabs.push(page);
  }
  await put(dashboard, "board", { n: 2 });
  await look(tabs[0], "visible");
  await shows(tabs[0], 2);
  assert.equal(await tabs[0].textContent("#state-text"), "Live");
});

test("a worker that has crashed is done without", async (t) => {
  const dashboard = await start(t, ["--doc", "board", ...FOR_EVER]);
  await put(dashboard, "board", { n: 1 });
  const { page } = await open(t, page_of(dashboard, "board"));
  await shows(page, 1);
  const session = await browser.newBrowserCDPSession();
  const { targetInfos } = await session.send("Target.getTargets");
  const worker = targetInfos.find(({ type, url }) =>
    type === "shared_worker" && url.startsWith(dashboard.url));
  await session.send("Target.closeTarget", { targetId: worker.targetId });
  await until(async () => await figure(dashboard, "dashboard_parked") === 0, SOON);
  await put(dashboard, "board", { n: 2 });
  await shows(page, 2, RECOVERY);
});

/** Starts a dashboard that is ended with the test. */
async function start(t, more = [], options = {}) {
  const dashboard = await Dashboard.start(DASHBOARD_BIN, "127.0.0.1:0", { more, ...options });
  t.after(() => dashboard.kill());
  return dashboard;
}

function page_of(dashboard, name) {
  return `${dashboard.url}file/index.html?doc=${name}`;
}

/** A browser of its own; `alone` takes shared workers from it. */
async function newContext(t, { alone = false } = {}) {
  const context = await browser.newContext({ locale: "en-GB", reducedMotion: "reduce" });
  t.after(() => context.close());
  if (alone) await context.addInitScript(() => { delete globalThis.SharedWorker; });
  await context.addInitScript(() => {
    globalThis.seen = { shown: [], states: ["Connecting"] };
    const note = (list, text) => { if (text && text !== list.at(-1)) list.push(text); };
    new MutationObserver(() => {
      note(seen.shown, document.querySelector("#revision")?.title);
      note(seen.states, document.querySelector("#state-text")?.textContent);
    }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  });
  return context;
}

/** Opens a page, and what it has shown since: revisions, and states. */
async function open(t, address, { alone = false, clock = false, context = null } = {}) {
  const own = context ?? await newContext(t, { alone });
  const page = await own.newPage();
  if (clock) await page.clock.install();
  await page.goto(address, SOON);
  return {
    page,
    context: own,
    revision: () => page.getAttribute("#revision", "title"),
    shown: () => page.evaluate(() => seen.shown),
    states: () => page.evaluate(() => seen.states),
  };
}

/** The page is hidden or seen, as far as it can tell. */
async function look(page, state) {
  await page.evaluate((wanted) => {
    Object.defineProperty(document, "visibilityState", { value: wanted, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

/** Stores a document over what is there; resolves to its new revision. */
async function put(dashboard, name, content) {
  const address = `${dashboard.database}/${name}`;
  const { _rev } = await (await fetch(address)).json();
  const body = JSON.stringify({ ...content, ...(_rev && { _rev }) });
  const answer = await fetch(address, { method: "PUT", body });
  const told = await answer.json();
  assert.ok(answer.ok, JSON.stringify(told));
  return told.rev;
}

async function serves(dashboard, name, isWanted) {
  await until(async () => {
    const answer = await fetch(`${dashboard.url}${name}`);
    await answer.text();
    return isWanted(generation(answer.headers.get("ETag")));
  }, SOON);
}

/** The number of edits in a revision or its tag; null where there is none. */
function generation(revision) {
  const found = /^"?(\d+)-/.exec(revision ?? "");
  return found && Number(found[1]);
}

/** A figure of /metrics. */
async function figure(dashboard, series) {
  const text = await (await fetch(`${dashboard.url}metrics`)).text();
  return Number(text.split("\n").find((line) => line.startsWith(`${series} `)).split(" ")[1]);
}

async function says(page, text, within = RECOVERY) {
  const isSaid = (wanted) => document.querySelector("#state-text").textContent === wanted;
  await page.waitForFunction(isSaid, text, within);
}

/** Waits until the page shows the document whose figure `n` is `number`. */
async function shows(page, number, within = SOON) {
  const isShown = (wanted) =>
    document.querySelector("[data-key='/n'] .number")?.textContent === wanted;
  await page.waitForFunction(isShown, String(number), within);
}

async function until(isSo, { timeout }) {
  const deadline = performance.now() + timeout;
  while (!await isSo()) {
    assert.ok(performance.now() < deadline, `not within ${timeout} ms: ${isSo}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}
