// load.mjs in a page: loads wasm libraries with the JavaScript of an npm package in headless
// Chromium, and prints what came of each: `[file, "loaded"]`, or `[file, message]`.
//
// node load_in_chromium.mjs PACKAGE FUNCTIONS FILE...
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

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

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "artcheck-load-"));
const server = http.createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const name = request.url.slice(1);
  if (name === "said") {
    const [number, message] = JSON.parse(body);
    fs.writeSync(1, `${JSON.stringify([files[number], message])}\n`);
    response.end();
  } else if (name === "end") {
    browser.kill();
  } else if (name === "" || name === "package.js") {
    response.writeHead(200, { "content-type": name ? "text/javascript" : "text/html" }).end(name ? text : page);
  } else if (files[name] !== undefined) {
    response.end(fs.readFileSync(files[name]));
  } else {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const browser = spawn(process.env.ARTCHECK_BROWSER ?? "chromium", [
  "--headless=new", "--no-first-run", `--user-data-dir=${folder}`, ...root,
  `http://127.0.0.1:${server.address().port}/`,
], { stdio: "ignore" });
browser.on("exit", () => {
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit(0);
});
