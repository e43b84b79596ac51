// Loads wasm libraries with the JavaScript of an npm package, as a page does, and prints
// what came of each: `[file, "loaded"]`, or `[file, message]`.
//
// node load.mjs PACKAGE FUNCTIONS FILE...
//
// FUNCTIONS are the global functions that the engine asks for next, comma-separated; or
// `--list`, and what is printed is `[file, [names that the library registered]]`.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packageFolder, functions, ...files] = process.argv.slice(2);
const manifest = JSON.parse(fs.readFileSync(path.join(packageFolder, "package.json")));
const bundle = path.join(packageFolder, manifest.main ?? "lib/index.js");

// The bundle keeps tvmjs to itself: a copy says where it is.
const line = /(\n\s*(exports\S*)\.createPolyfillWASI = createPolyfillWASI;)/;
const text = fs.readFileSync(bundle, "utf8").replace(line, "$1 globalThis.tvmjs = $2;");
const isModule = /^export \{/m.test(text);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "artcheck-web-"));
const copy = path.join(folder, isModule ? "index.mjs" : "index.cjs");
fs.writeFileSync(copy, text);

const require = createRequire(import.meta.url);
Object.assign(globalThis, { self: globalThis, require, __dirname: folder, __filename: copy });
if (isModule) await import(pathToFileURL(copy));
else require(copy);
fs.rmSync(folder, { recursive: true });

process.removeAllListeners("uncaughtException");
// What the page itself registers is none of the library's.
const ofPage = new Set();
const { registerFunc } = tvmjs.Instance.prototype;
tvmjs.Instance.prototype.registerFunc = function (name, ...rest) {
  ofPage.add(name);
  return registerFunc.call(this, name, ...rest);
};

for (const file of files) {
  let message = "loaded";
  try {
    const bytes = new Uint8Array(fs.readFileSync(file));
    const instance = await tvmjs.instantiate(bytes, tvmjs.createPolyfillWASI(), () => {});
    instance.beginScope();
    if (functions === "--list") {
      message = instance.listGlobalFuncNames().filter((name) => !ofPage.has(name)).sort();
      fs.writeSync(1, `${JSON.stringify([file, message])}\n`);
      continue;
    }
    for (const name of functions.split(",").filter(Boolean)) instance.getGlobalFunc(name);
  } catch (error) {
    message = `${error.name}: ${error.message}`.split("\n")[0];
  }
  fs.writeSync(1, `${JSON.stringify([file, message])}\n`);
}
process.exit(0);
