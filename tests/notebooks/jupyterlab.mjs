// Opens a notebook in JupyterLab as a user would, runs all of it, and takes a picture: node jupyterlab.mjs CHROMIUM ADDRESS PICTURE direct|proxied
//
// Writes one line of JSON: where each map's frame came from, and what the frames' pages complained of.
import { chromium } from "playwright-core";

const [executablePath, address, picture, way = "direct"] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: ["--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 4600 } });
const errors = [];
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("pageerror", (error) => errors.push(String(error)));
if (way === "proxied") {
  // a browser on another machine: only the Jupyter server's own port is there
  const { host } = new URL(address);
  await page.route("**", (route) => (new URL(route.request().url()).host === host ? route.continue() : route.abort()));
}
await page.goto(address);
await page.waitForSelector(".jp-NotebookPanel .jp-CodeCell", { timeout: 60000 });
await page.waitForTimeout(3000);
await page.click(".jp-NotebookPanel .jp-CodeCell .cm-content");
await page.getByRole("menuitem", { name: "Run", exact: true }).click();
await page.getByRole("menuitem", { name: "Run All Cells", exact: true }).click();
try {
await page.waitForSelector("iframe[src*='/notebook/map']", { timeout: 60000 });
} catch (error) {
  errors.push(String(error));
}
await page.waitForTimeout(Number(process.env.SETTLE ?? 12000));
const frames = await page.$$eval("iframe[src*='/notebook/map']", (found) => found.map((frame) => frame.src.split("?")[0]));
await page.screenshot({ path: picture });
console.log(JSON.stringify({ frames, errors }));
await browser.close();
