// A document that a test writes byte by byte, and pages that show it.

import { readFile } from "node:fs/promises";
import { launch } from "./browser.mjs";
import { Dashboard } from "./dashboard.mjs";

const SOON = { timeout: 10_000 };
const DESKTOP = { width: 1280, height: 890 };

export class Probe {
  /** Starts the dashboard, which shows the document `probe`, and a browser. */
  static async start(more = []) {
    const binary = process.env.DASHBOARD_BIN;
    const dashboard = await Dashboard.start(binary, "127.0.0.1:0", {
      more: ["--doc", "probe", ...more],
    });
    return new Probe(dashboard, await launch());
  }

  #revision = null;

  constructor(dashboard, browser) {
    this.dashboard = dashboard;
    this.browser = browser;
  }

  async stop() {
    await this.browser.close();
    await this.dashboard.kill();
  }

  /** Writes the document: `members` is JSON text without the outer braces. Returns its revision. */
  async put(members) {
    const rev = this.#revision === null ? "" : `"_rev":"${this.#revision}",`;
    const answer = await fetch(`${this.dashboard.database}/probe`, {
      method: "PUT",
      headers: { "Content-Type": "application/json" },
      body: `{${rev}${members}}`.replace(",}", "}"),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(`PUT: ${answer.status} ${JSON.stringify(said)}`);
    this.#revision = said.rev;
    return said.rev;
  }

  /** Writes the document and waits until `page` shows it. */
  async show(page, members) {
    const revision = await this.put(members);
    await page.waitForFunction((put) => document.querySelector("#revision").title === put,
      revision, SOON);
    // The figures are drawn with the next frame, and what is new in the layout is seen after it.
    await page.evaluate(() => new Promise((resolve) => {
      requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)));
    }));
  }

  /** Opens a page of the document `members`, prepared by `prepare(page)`. */
  async open(members, { prepare = async () => {}, ...options } = {}) {
    await this.put(members);
    const context = await this.browser.newContext({
      locale: "en-GB", timezoneId: "Europe/Berlin", viewport: DESKTOP, ...options,
    });
    const page = await context.newPage();
    await page.addInitScript(recordLabels);
    await prepare(page);
    const revision = await this.put(members);
    await page.goto(`${this.dashboard.url}file/index.html?doc=probe`);
    await page.waitForFunction((put) => document.querySelector("#revision").title === put,
      revision, SOON);
    return page;
  }
}

/** Runs in the page: keeps the labels that each canvas shows, as a reader sees them. */
function recordLabels() {
  const { clearRect, fillText } = CanvasRenderingContext2D.prototype;
  Object.assign(CanvasRenderingContext2D.prototype, {
    clearRect(...box) {
      this.canvas.labels = [];
      clearRect.apply(this, box);
    },
    fillText(text, left, ...rest) {
      const { width } = this.measureText(text);
      if (text !== "") this.canvas.labels.push({ text, left: left - width / 2, width });
      fillText.call(this, text, left, ...rest);
    },
  });
}

/** What stands under the chart of `key`, from left to right, once it has been drawn. */
export async function labelsOf(page, key) {
  const canvas = `[data-key='${key}'] canvas`;
  await page.waitForSelector(canvas, SOON);
  await page.waitForFunction((place) => document.querySelector(place).labels?.length > 0,
    canvas, SOON);
  return page.$eval(canvas, ({ labels, width }) => labels.map((label) => ({
    text: label.text,
    inside: label.left >= 0 && label.left + label.width <= width,
  })));
}

/** What axe finds wrong with the page, each as `rule: element`. */
export async function findings(page) {
  const axe = await readFile(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

/** The text of the first element that `selector` finds. */
export async function textOf(page, selector) {
  await page.waitForSelector(selector, SOON);
  return page.$eval(selector, (found) => found.textContent);
}
