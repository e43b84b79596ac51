// load.mjs in a page: loads wasm libraries with the JavaScript of an npm package in headless
// Chromium, and prints what came of each: `[file, "loaded"]`, or `[file, message]`.
//
// node load_in_chromium.mjs PACKAGE FUNCTIONS FILE...
import fs from "node:fs";
import path from "node:path";

import { visit } from "./chromium.mjs";

const [packageFolder, functions, ...files] = process.argv.slice(2);
const manifest = JSON.parse(fs.readFileSync(path.join(packageFolder, "package.json")));
const bundle = path.join(packageFolder, manifest.main ?? "lib/index.js");
const line = /(\n\s*(exports\S*)\.createPolyfillWASI = createPolyfillWASI;)/;
const text = fs.readFileSync(bundle, "utf8").replace(line, "$1 globalThis.tvmjs = $2;");
const load = /^export \{/m.test(text)
  ? 'await import("./package.js");'
  : 'await new Promise((done) => document.head.append(Object.assign(document.createElement("script"), { src: "./package.js", onload: done })));';
const page = `<!doctype html><title>load</title><script type="module">
${load}
for (let number = 0; number < ${files.length}; number++) {
  let message = "loaded";
  try {
    const bytes = new Uint8Array(await (await fetch("/" + number)).arrayBuffer());
    const instance = await tvmjs.instantiate(bytes, tvmjs.createPolyfillWASI(), () => {});
    instance.beginScope();
    for (const name of ${JSON.stringify(functions.split(",").filter(Boolean))}) instance.getGlobalFunc(name);
  } catch (error) {
    message = (error.name + ": " + error.message).split("\\n")[0];
  }
  await fetch("/said", { method: "POST", body: JSON.stringify([number, message]) });
}
await fetch("/end", { method: "POST" });
</script>`;

await visit(page, (url, body, response, close) => {
  const name = url.slice(1);
  if (name === "") return false;
  if (name === "said") {
    const [number, message] = JSON.parse(body);
    fs.writeSync(1, `${JSON.stringify([files[number], message])}\n`);
  } else if (name === "end") {
    close();
  } else if (name === "package.js") {
    response.writeHead(200, { "content-type": "text/javascript" }).write(text);
  } else if (files[name] !== undefined) {
    response.write(fs.readFileSync(files[name]));
  } else {
    response.writeHead(404);
  }
});
