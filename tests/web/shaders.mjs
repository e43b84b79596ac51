// Gives shaders to Chromium's WebGPU and prints what it says of each that it refuses.
//
// node shaders.mjs FILE    FILE is JSON: {"shaders": {NAME: WGSL}}; prints {NAME: message}
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

const page = `<!doctype html><title>shaders</title><script type="module">
const { shaders } = await (await fetch("/shaders")).json();
const adapter = await navigator.gpu.requestAdapter();
const device = await adapter.requestDevice();
const refused = {};
for (const [name, code] of Object.entries(shaders)) {
  device.pushErrorScope("validation");
  const info = await device.createShaderModule({ code }).getCompilationInfo();
  await device.popErrorScope();
  const error = info.messages.find(({ type }) => type === "error");
  if (error) refused[name] = error.message;
}
await fetch("/refused", { method: "POST", body: JSON.stringify(refused) });
</script>`;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "artcheck-shaders-"));
const server = http.createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (request.url === "/shaders") return void response.end(fs.readFileSync(process.argv[2]));
  response.writeHead(200, { "content-type": "text/html" }).end(page);
  if (request.url !== "/refused") return;
  process.stdout.write(body);
  browser.kill();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const browser = spawn(process.env.ARTCHECK_BROWSER ?? "chromium", [
  "--headless=new", "--no-first-run", "--enable-unsafe-webgpu", "--enable-features=Vulkan",
  "--ignore-gpu-blocklist", `--user-data-dir=${folder}`, ...root,
  `http://127.0.0.1:${server.address().port}/`,
], { stdio: "ignore" });
browser.on("exit", () => {
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit(0);
});
