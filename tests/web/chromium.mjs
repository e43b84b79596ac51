// A page in headless Chromium, and a server that answers it.
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

// What Chromium needs to offer WebGPU without a GPU.
export const WEBGPU = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--ignore-gpu-blocklist"];

// Opens `page`. `answer(url, body, response, close)` is asked for what is not the page itself, and
// says false for that. Ends when the browser has: by `close`, on its own, or after `seconds`.
export async function visit(page, answer, options = [], seconds = Infinity) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "artcheck-page-"));
  let browser;
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    if (answer(request.url, body, response, () => browser.kill()) !== false) return void response.end();
    response.writeHead(200, { "content-type": "text/html" }).end(page);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  browser = spawn(process.env.ARTCHECK_BROWSER ?? "chromium", [
    "--headless=new", "--no-first-run", `--user-data-dir=${folder}`, ...options, ...root,
    `http://127.0.0.1:${server.address().port}/`,
  ], { stdio: "ignore" });
  if (seconds < Infinity) setTimeout(() => browser.kill(), seconds * 1000).unref();
  await new Promise((resolve) => browser.on("exit", resolve).on("error", resolve));
  server.closeAllConnections();
  server.close();
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
