// Opens pages in Chromium as a user would and says what happened. One browser serves all visits.
//
// In, a line a visit on standard input: {"url", "width", "height", "dark", "webgl", "touch", "steps", "screenshot", "axe"}
// Out, a line a report: {"errors", "elsewhere", "failed", "requests", "results", "axe"}: what the console and the page complained
// of, requests to other origins, answers of 400 and more, all requests, what the steps returned, and what axe-core finds
// wrong where "axe" is true.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
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

/** Waits until an expression is true. Playwright's own way is not let by the pages' policy, which allows no eval. */
async function until(page, expression) {
  for (const end = Date.now() + 30000; Date.now() < end; await page.waitForTimeout(50)) {
    if (await page.evaluate(expression).catch(() => false)) return;
  }
  throw new Error(`it did not become true: ${expression}`);
}

/** Makes the page light or dark, and waits until its scripts have heard of it: of two lists of listeners, the older is first. */
async function recolour(page, colorScheme) {
  const heard = page.evaluate((dark) => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    if (query.matches === dark) return null;
    return new Promise((done) => query.addEventListener("change", () => done(), { once: true }));
  }, colorScheme === "dark");
  await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
  await heard;
  // colours that are still on their way
  await page.evaluate(() =>
    document.getAnimations().forEach((one) => one instanceof CSSTransition && one.finish()),
  );
}

/** Presses an arrow on the map, and waits until the page's address says that the map has moved and nothing moves it further. */
async function pan(page, key) {
  const place = () => page.evaluate("location.hash");
  const before = await place();
  await page.press(".maplibregl-canvas", key);
  await until(page, `location.hash !== ${JSON.stringify(before)}`);
  await settle(page);
}

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds wrong with the page: light and dark, on a desktop and a telephone. */
async function accessibility(page) {
  await page.evaluate(axe);
  const found = new Map();
  const [wide, narrow] = [{ width: 1280, height: 800 }, { width: 390, height: 780 }];
  // Colours are the only thing that differs between light and dark.
  const ways = [
    ["light", wide, {}],
    ["dark", wide, { runOnly: ["color-contrast"] }],
    ["dark", narrow, { runOnly: ["color-contrast"] }],
    ["light", narrow, {}],
  ];
  for (const [colorScheme, size, options] of ways) {
    await page.setViewportSize(size);
    await recolour(page, colorScheme);
    const { violations } = await page.evaluate((how) => window.axe.run({ ...how, resultTypes: ["violations"] }), options);
    for (const { id, nodes } of violations) {
      for (const { target, any, all, none } of nodes) {
        const why = [...any, ...all, ...none].map(({ message }) => message).join("; ");
        const what = `${id} ${target.join(" ")}`;
        if (!found.has(what)) found.set(what, `${colorScheme}, ${size.width}: ${what}: ${why}`);
      }
    }
  }
  return [...found.values()];
}

const verbs = {
  click: (page, [selector]) => page.click(selector),
  clickAt: (page, [x, y]) => page.mouse.click(x, y),
  tapAt: (page, [x, y]) => page.touchscreen.tap(x, y),
  fill: (page, [selector, text]) => page.fill(selector, text),
  press: (page, [selector, key]) => page.press(selector, key),
  pan: (page, [key]) => pan(page, key),
  choose: (page, [selector, value]) => page.selectOption(selector, value),
  wait: (page, [selector]) => page.waitForSelector(selector, { timeout: 30000 }),
  waitUntil: (page, [expression]) => until(page, expression),
  download: async (page, [selector]) => {
    const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
    return readFile(await file.path(), "utf8");
  },
  evaluate: (page, [expression]) => page.evaluate(expression),
  confirm: (page) => void page.once("dialog", (dialog) => dialog.accept()),
  settle: (page) => settle(page),
  pause: (page, [milliseconds]) => page.waitForTimeout(milliseconds),
  screenshot: (page, [path]) => page.screenshot({ path }),
};

async function visit({ url, width, height, dark, webgl, touch = false, steps = [], screenshot, axe: looked }) {
  const report = { errors: [], elsewhere: [], failed: [], requests: [], results: [], axe: [] };
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
  if (looked) report.axe = await accessibility(page);
  await context.close();
  return report;
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await visit(JSON.parse(line)))}\n`);
}
await browser.close();
