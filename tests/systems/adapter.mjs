// Whether Chromium has WebGPU here, with the limits that web-llm asks for: prints adapter,
// features and limits as JSON. The status is 1 where it has not.
import { WEBGPU, visit } from "../web/chromium.mjs";

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
let status = 1;
await visit(page, (url, body, response, close) => {
  if (url !== "/found") return false;
  console.log(body);
  status = JSON.parse(body).device ? 0 : 1;
  close();
}, WEBGPU, 60);
process.exit(status);
