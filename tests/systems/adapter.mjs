// Whether Chromium has WebGPU here, with the limits that web-llm asks for: prints adapter,
// features and limits as JSON. The status is 1 where it has not.
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

const page = `<!doctype html><title>adapter</title><script type="module">
const limits = { maxBufferSize: 2 ** 30, maxStorageBufferBindingSize: 2 ** 30,
  maxComputeWorkgroupStorageSize: 2 ** 15, maxStorageBuffersPerShaderStage: 10 };
const found = { adapter: null };
try {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (adapter) {
    const { vendor, architecture, description } = adapter.info;
    found.adapter = [vendor, architecture, description].filter(Boolean).join(" ");
    found.features = [...adapter.features].sort();
    found.invocations = adapter.limits.maxComputeInvocationsPerWorkgroup;
    await adapter.requestDevice({ requiredLimits: limits });
    found.device = true;
  }
} catch (error) {
  found.error = String(error);
}
await fetch("/found", { method: "POST", body: JSON.stringify(found) });
</script>`;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "artcheck-adapter-"));
let status = 1;
const server = http.createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  response.writeHead(200, { "content-type": "text/html" }).end(page);
  if (request.url !== "/found") return;
  console.log(body);
  status = JSON.parse(body).device ? 0 : 1;
  browser.kill();
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const browser = spawn(process.env.ARTCHECK_BROWSER ?? "chromium", [
  "--headless=new", "--no-first-run", "--enable-unsafe-webgpu", "--enable-features=Vulkan",
  "--ignore-gpu-blocklist", `--user-data-dir=${folder}`, ...root,
  `http://127.0.0.1:${server.address().port}/`,
], { stdio: "ignore" });
const ended = () => {
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit(status);
};
browser.on("exit", ended);
browser.on("error", ended);
setTimeout(() => browser.kill(), 60_000).unref();
