// The dashboard as a child process, with its embedded database.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const START_LIMIT_MS = 15_000;
const PUT_LIMIT_MS = 10_000;

export class Dashboard {
  /**
   * Starts `binary` on `listen`, following the database at `couch` or else its own, and resolves
   * once it has said where both are.
   */
  static async start(binary, listen, { couch = null, more = [] } = {}) {
    const words = ["--listen", listen, ...(couch ? ["--couch", couch] : []), ...more];
    const child = spawn(binary, words, { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const { url, database } = await addresses(child, couch);
      return new Dashboard(child, url, database);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  constructor(child, url, database) {
    this.child = child;
    this.url = url;
    this.database = database;
  }

  /** `127.0.0.1:PORT`, to start the next one in the same place. */
  get address() {
    return new URL(this.url).host;
  }

  /** Ends it as a crash would, and waits until it is no more. */
  async kill() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }

  /**
   * Changes the document by `change(document)`, as any CouchDB client would. Another writer (the
   * built-in figures) may come between reading and writing: a conflict is tried again.
   */
  async change(change) {
    const address = `${this.database}/overview`;
    const deadline = Date.now() + PUT_LIMIT_MS;
    for (;;) {
      const document = await (await fetch(address)).json();
      change(document);
      const answer = await fetch(address, {
        method: "PUT",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(document),
      });
      const told = await answer.json();
      if (answer.ok) return told.rev;
      if (answer.status !== 409 || Date.now() > deadline) {
        throw new Error(`PUT ${address}: ${answer.status} ${JSON.stringify(told)}`);
      }
    }
  }
}

/** What `child` tells of where it listens, and of its own database unless it follows `couch`. */
async function addresses(child, couch) {
  const found = couch ? { database: couch } : {};
  const limit = new AbortController();
  const lines = createInterface({ input: child.stdout });
  const reading = new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      found.url ??= /^dashboard at (http:\S+)$/.exec(line)?.[1];
      found.database ??= /^embedded CouchDB at (http:\S+)$/.exec(line)?.[1].replace(/\/$/, "");
      if (found.url && found.database) resolve(found);
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      reject(new Error(`the dashboard ended: ${code ?? signal}`));
    });
  });
  const late = sleep(START_LIMIT_MS, null, { signal: limit.signal }).then(() => {
    throw new Error(`the dashboard has not said where it listens: ${JSON.stringify(found)}`);
  });
  try {
    return await Promise.race([reading, late]);
  } finally {
    late.catch(() => {});
    limit.abort();
  }
}
