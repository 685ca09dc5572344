// Chromium as both test files start it: quiet, and without a word to anyone but the dashboard.

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
