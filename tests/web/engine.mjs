// Loads wasm model libraries in every given web-llm package, makes the engine's pipeline for
// each, and prints what came of it: `[file, package, "starts"]`, or `[file, package, message]`.
//
// node engine.mjs PACKAGE FILE...
//
// PACKAGE is the folder of an unpacked npm package. The GPU is a stand-in that takes every
// call and computes nothing, and there are no weights: what is seen is what the constructor
// of the pipeline asks of the library, its metadata and its cache.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const manifest = JSON.parse(fs.readFileSync(path.join(folder, "package.json")));
let text = fs.readFileSync(path.join(folder, manifest.main ?? "lib/index.js"), "utf8");
// The bundle keeps its parts to itself: a copy says where they are.
text = text.replace(/(exports\S*)\.instantiate = instantiate;/g, "$& globalThis.tvmjs = $1;");
// It is to take this for a browser, and asks for a module of Node all the same.
text = text.replace(/typeof process ?== ?"object"/g, "false");
text = text.replace(/throw new Error\('Could not dynamically require/g, "return globalThis.require(path); $&");
for (const name of ["LLMChatPipeline", "EmbeddingPipeline"]) {
  if (new RegExp(`^class ${name} `, "m").test(text)) text += `\nglobalThis.${name} = ${name};\n`;
}
const work = fs.mkdtempSync(path.join(os.tmpdir(), "artcheck-engine-"));
const copy = path.join(work, "index.mjs");
fs.writeFileSync(copy, text);
const require = createRequire(import.meta.url);
Object.assign(globalThis, { self: globalThis, window: globalThis, require });
Object.assign(globalThis, { __dirname: work, __filename: copy, location: { href: "file:///x/" } });
const print = (what) => fs.writeSync(1, `${JSON.stringify(what)}\n`);
for (const level of ["log", "warn", "info", "error", "debug"]) console[level] = () => {};
await import(pathToFileURL(copy));
fs.rmSync(work, { recursive: true });

/** What takes every call, and gives itself. */
const anything = () =>
  new Proxy(function () {}, {
    get: (_, key) =>
      key === "then" ? undefined : key === Symbol.toPrimitive ? () => 0 : anything(),
    apply: () => anything(),
  });
const flags = { MAP_READ: 1, MAP_WRITE: 2, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 };
Object.assign(globalThis, { GPUBufferUsage: flags, GPUMapMode: { READ: 1, WRITE: 2 } });
globalThis.GPUShaderStage = { COMPUTE: 4 };
const buffer = ({ size, usage }) => ({
  size,
  usage,
  destroy() {},
  unmap() {},
  mapAsync: async () => {},
  getMappedRange: () => new ArrayBuffer(Math.min(size, 1 << 24)),
});
const known = {
  createBuffer: buffer,
  createComputePipelineAsync: async () => anything(),
  features: new Set(["shader-f16"]),
  lost: new Promise(() => {}),
  queue: { submit() {}, writeBuffer() {}, onSubmittedWorkDone: async () => {} },
  popErrorScope: async () => null,
};
const device = new Proxy(known, { get: (own, key) => own[key] ?? (key === "then" ? undefined : anything()) });

const conversation = {
  name: "any",
  roles: { user: "u", assistant: "a" },
  role_templates: { user: "{user_message}" },
  seps: ["\n"],
  sep: ["\n"],
  system_template: "{system_message}",
  system_message: "",
  stop_str: ["</s>"],
  stop_token_ids: [2],
  offset: 0,
  separator_style: "Two",
};
// Up to 0.2.30 a conversation goes by a name.
const version = manifest.version.split(".").map(Number);
const isNamed = version[0] === 0 && version[1] === 2 && version[2] <= 30;
const config = {
  conv_template: isNamed ? (version[2] < 6 ? "vicuna_v1.1" : "llama-2") : conversation,
  vocab_size: 32000,
  context_window_size: 512,
  sliding_window_size: -1,
  attention_sink_size: -1,
  prefill_chunk_size: 512,
  tokenizer_files: [],
};

for (const file of files) {
  let message = "starts";
  try {
    const bytes = new Uint8Array(fs.readFileSync(file));
    const instance = await tvmjs.instantiate(bytes, tvmjs.createPolyfillWASI(), () => {});
    instance.initWebGPU(device);
    const weights = { dispose() {}, getHandle: () => 0 };
    instance.getParamsFromCacheByName = instance.getParamsFromCache = () => weights;
    const detach = instance.detachFromCurrentScope.bind(instance);
    instance.detachFromCurrentScope = (what) => (what === weights ? what : detach(what));
    const isEmbedding = /embed|bge/.test(path.basename(file));
    const Pipeline = isEmbedding ? globalThis.EmbeddingPipeline : globalThis.LLMChatPipeline;
    if (Pipeline) new Pipeline(instance, anything(), config);
    else message = "has no pipeline for it";
  } catch (error) {
    message = String(error?.message ?? error).split("\n")[0];
  }
  print([file, path.basename(folder), message]);
}
process.exit(0);
