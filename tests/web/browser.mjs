// The page in a browser: a server for it, and what a person does there.

import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, join } from "node:path";

export const root = join(import.meta.dirname, "../..");
export const dist = process.env.DIST ?? join(root, "web/dist");
const require = createRequire(join(root, "web/package.json"));
export const { default: puppeteer } = await import(require.resolve("puppeteer-core"));
const TYPES = { ".html": "text/html", ".so": "application/octet-stream", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".lzma": "application/octet-stream" };

export const browsers = {
  chromium: { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
  firefox: { browser: "firefox", executablePath: "/usr/bin/firefox-esr" },
};

/** The page's folder on a port, and what was asked of it. */
export function served(files) {
  const asked = [];
  const server = createServer((request, answer) => {
    asked.push(request.url);
    const path = new URL(request.url, "http://x").pathname;
    const file = join(files, path === "/" ? "index.html" : path);
    if (!existsSync(file)) return void answer.writeHead(404).end();
    answer.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream" }).end(readFileSync(file));
  });
  server.listen(0, "127.0.0.1");
  // A closed server knows its port no more.
  let port = 0;
  return { server, asked, at: () => `http://127.0.0.1:${(port ||= server.address().port)}/` };
}

export const inPage = {
  /** The page's own state: the module that it runs. */
  state: (page) => page.evaluate(async () => {
    const { state } = await import(new URL("main.js", location.href).href);
    return { json: state.json, turn: state.turn, took: state.took, read: state.read, memory: state.memory };
  }),
  async give(page, paths, input = "#files") {
    const before = (await inPage.state(page)).turn;
    const field = await page.$(input);
    await field.uploadFile(...paths);
    await inPage.next(page, before);
    return inPage.state(page);
  },
  next: (page, before) => page.waitForFunction(async (before) => {
    const { state } = await import(new URL("main.js", location.href).href);
    return state.turn > before;
  }, { timeout: 120_000, polling: 20 }, before),
  violations: (page) => page.evaluate(() => window.violations),
};

export async function opened(browser, url) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1400, height: 900 });
  const said = [];
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.evaluateOnNewDocument(() => {
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`), true);
  });
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.ready === "true", { timeout: 60_000 });
  return { page, said };
}
