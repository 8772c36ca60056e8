// Opens pages in Chromium as a user would and says what happened. One browser serves all visits.
//
// In, a line a visit on standard input: {"url", "width", "height", "dark", "webgl", "touch", "steps", "screenshot"}
// Out, a line a report: {"errors", "elsewhere", "failed", "requests", "results"}: what the console and the page complained of,
// requests to other origins, answers of 400 and more, all requests, and what the steps returned.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // WebGL without a graphics card.
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
  ],
});

/** Waits until nothing is fetched and the picture has stopped changing. */
async function settle(page) {
  await page.waitForLoadState("networkidle", { timeout: 30000 });
  let before = "";
  for (let tries = 0; tries < 40; tries += 1) {
    const now = (await page.screenshot()).toString("base64");
    if (now === before) return;
    before = now;
    await page.waitForTimeout(120);
  }
}

const verbs = {
  click: (page, [selector]) => page.click(selector),
  clickAt: (page, [x, y]) => page.mouse.click(x, y),
  tapAt: (page, [x, y]) => page.touchscreen.tap(x, y),
  fill: (page, [selector, text]) => page.fill(selector, text),
  press: (page, [selector, key]) => page.press(selector, key),
  choose: (page, [selector, value]) => page.selectOption(selector, value),
  wait: (page, [selector]) => page.waitForSelector(selector, { timeout: 30000 }),
  waitUntil: (page, [expression]) => page.waitForFunction(expression, undefined, { timeout: 30000 }),
  download: async (page, [selector]) => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
    return readFile(await file.path(), "utf8");
  },
  evaluate: (page, [expression]) => page.evaluate(expression),
  settle: (page) => settle(page),
  pause: (page, [milliseconds]) => page.waitForTimeout(milliseconds),
  screenshot: (page, [path]) => page.screenshot({ path }),
};

async function visit({ url, width, height, dark, webgl, touch = false, steps = [], screenshot }) {
  const report = { errors: [], elsewhere: [], failed: [], requests: [], results: [] };
  const context = await browser.newContext({
    viewport: { width, height },
    hasTouch: touch,
    colorScheme: dark ? "dark" : "light",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  if (!webgl) await page.addInitScript(() => (HTMLCanvasElement.prototype.getContext = () => null));
  page.on("console", (message) => {
    if (message.type() === "error") report.errors.push(message.text());
  });
  page.on("pageerror", (error) => report.errors.push(String(error.stack ?? error)));
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    report.requests.push(request.url());
    if (!["data:", "blob:"].includes(protocol) && origin !== new URL(url).origin) report.elsewhere.push(request.url());
  });
  page.on("response", (response) => {
    if (response.status() >= 400) report.failed.push([response.status(), response.url()]);
  });
  try {
    await page.goto(url, { waitUntil: "load", timeout: 30000 });
    await settle(page);
    for (const [verb, ...rest] of steps) report.results.push((await verbs[verb](page, rest)) ?? null);
  } catch (error) {
    report.errors.push(`the visit broke off: ${error.message}`);
  }
  if (screenshot) await page.screenshot({ path: screenshot });
  await context.close();
  return report;
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await visit(JSON.parse(line)))}\n`);
}
await browser.close();
