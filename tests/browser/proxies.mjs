// A proxy for browsers, and a connection to a database that a test can cut.

import { once } from "node:events";
import { createServer, request as ask } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";

const HERE = "127.0.0.1";

/** An HTTP proxy: `choose(path)` returns `{ url, path }`, or null for 404. */
export class Proxy {
  /** What was asked for, as `{ path, status, at, tag }`; `status` is null until it is answered. */
  asked = [];

  static async start(choose) {
    const proxy = new Proxy(choose);
    proxy.server.listen(0, HERE);
    await once(proxy.server, "listening");
    return proxy;
  }

  constructor(choose) {
    this.server = createServer((asked, answer) => this.#pass(choose(asked.url), asked, answer));
  }

  get url() {
    return `http://${HERE}:${this.server.address().port}`;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  #pass(target, asked, answer) {
    const entry = { path: asked.url, status: null, at: performance.now(), tag: null };
    this.asked.push(entry);
    if (target === null) {
      entry.status = 404;
      answer.writeHead(404).end();
      return;
    }
    const { host } = new URL(target.url);
    const options = { method: asked.method, headers: { ...asked.headers, host } };
    const behind = ask(new URL(target.path, target.url), options, (response) => {
      entry.status = response.statusCode;
      entry.tag = response.headers.etag ?? null;
      answer.writeHead(response.statusCode, response.headers);
      response.pipe(answer);
    });
    behind.on("error", () => answer.destroy());
    answer.on("close", () => behind.destroy());
    asked.pipe(behind);
  }
}

/** A path to a database: bytes pass in both directions until it is held, or cut. */
export class Link {
  #target;
  #server;
  #port = 0;
  #pairs = new Set();
  #isHeld = false;

  static async to(url) {
    const link = new Link(url);
    await link.restore();
    return link;
  }

  constructor(url) {
    this.#target = new URL(url);
  }

  /** The database as it is reached by this path. */
  get url() {
    return `http://${HERE}:${this.#port}${this.#target.pathname}`;
  }

  /** Keeps back what the database says. */
  hold() {
    this.#isHeld = true;
    for (const { behind } of this.#pairs) behind.pause();
  }

  release() {
    this.#isHeld = false;
    for (const { behind } of this.#pairs) behind.resume();
  }

  /** Ends every connection, and refuses new ones. */
  cut() {
    this.#server.close();
    for (const { front, behind } of this.#pairs) {
      front.destroy();
      behind.destroy();
    }
  }

  async restore() {
    this.#server = createTcpServer((front) => this.#connect(front));
    this.#server.listen(this.#port, HERE);
    await once(this.#server, "listening");
    this.#port = this.#server.address().port;
  }

  #connect(front) {
    const behind = connect(Number(this.#target.port), this.#target.hostname);
    const pair = { front, behind };
    this.#pairs.add(pair);
    front.on("data", (bytes) => behind.write(bytes));
    behind.on("data", (bytes) => front.write(bytes));
    if (this.#isHeld) behind.pause();
    for (const [one, other] of [[front, behind], [behind, front]]) {
      one.on("error", () => {});
      one.on("close", () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
  }
}
