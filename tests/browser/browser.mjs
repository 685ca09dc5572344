// Starts Chromium for the tests: without output, and with connections only to the dashboard.

import { chromium } from "playwright-core";

export function launch(more = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      ...more,
    ],
  });
}
