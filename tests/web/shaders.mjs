// Gives shaders to Chromium's WebGPU and prints what it says of each that it refuses.
//
// node shaders.mjs FILE    FILE is JSON: {"shaders": {NAME: WGSL}}; prints {NAME: message}
import fs from "node:fs";

import { WEBGPU, visit } from "./chromium.mjs";

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
await visit(page, (url, body, response, close) => {
  if (url === "/shaders") return void response.write(fs.readFileSync(process.argv[2]));
  if (url !== "/refused") return false;
  process.stdout.write(body);
  close();
}, WEBGPU);
