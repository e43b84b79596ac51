// Runs a wasm library for `verify`: node bridge.mjs PACKAGE LIBRARY [BROWSER].
//
// Requests come on standard input, replies go to standard output, each as two lengths of four
// bytes, JSON and bytes. Without BROWSER the library runs in this process; with it in a page of
// that browser, which fetches the requests from here. Standard error gets what is said meanwhile.

import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Library, listen, opened } from "./glue.mjs";

const [packageFolder, libraryFile, browser] = process.argv.slice(2);
const manifest = JSON.parse(fs.readFileSync(path.join(packageFolder, "package.json"), "utf8"));
const bundle = path.join(packageFolder, manifest.main ?? "lib/index.js");
const text = opened(fs.readFileSync(bundle, "utf8"));
const isModule = /^export \{/m.test(text);
// The folder that this file was written to; it ends with the process.
const folder = import.meta.dirname ?? path.dirname(fileURLToPath(import.meta.url));
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
// Who asked may be ended at its time limit, in the middle of a call.
const asker = process.ppid;
setInterval(() => process.ppid === asker || process.exit(1), 1000).unref();

/** A frame of two parts. */
function frame(head, bytes = new Uint8Array()) {
  const json = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(json.length, 0);
  lengths.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([lengths, json, bytes]);
}

/** The parts of a frame. */
function parts(buffer) {
  const end = 8 + buffer.readUInt32LE(0);
  return [JSON.parse(buffer.subarray(8, end).toString()), new Uint8Array(buffer.subarray(end))];
}

/** Frames from standard input, one at a time. */
async function* requests() {
  let chunks = [];
  let length = 0;
  let wanted = 8;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    length += chunk.length;
    while (length >= wanted) {
      const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      const whole = 8 + all.readUInt32LE(0) + all.readUInt32LE(4);
      chunks = [all];
      wanted = whole;
      if (length < whole) break;
      yield all.subarray(0, whole);
      chunks = [all.subarray(whole)];
      length -= whole;
      wanted = 8;
    }
  }
}

const answer = (buffer) => new Promise((resolve) => process.stdout.write(buffer, resolve));

/** The library in this process. */
async function here() {
  listen((line) => process.stderr.write(`${line}\n`));
  const copy = path.join(folder, isModule ? "index.mjs" : "index.cjs");
  fs.writeFileSync(copy, text);
  const require = createRequire(import.meta.url);
  Object.assign(globalThis, { self: globalThis, require, __dirname: folder, __filename: copy });
  if (isModule) await import(pathToFileURL(copy));
  else require(copy);
  process.removeAllListeners("uncaughtException");
  const library = new Library(globalThis.tvmjs);
  for await (const buffer of requests()) {
    const [request, bytes] = parts(buffer);
    const given = request.do === "open" ? new Uint8Array(fs.readFileSync(libraryFile)) : bytes;
    await answer(frame(...(await library.serve(request, given))));
  }
}

/** What the page runs: it fetches requests, and sends replies with the next fetch. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>artcheck</title>
<script type="module">
import { Library, listen } from "./glue.mjs";
listen((line) => navigator.sendBeacon("/said", line));
self.addEventListener("unhandledrejection", (event) => console.error(event.reason));
${isModule ? 'await import("./package.js");' : 'await new Promise((resolve, reject) => document.head.append(Object.assign(document.createElement("script"), { src: "./package.js", onload: resolve, onerror: reject })));'}
const library = new Library(globalThis.tvmjs);
let reply = null;
for (;;) {
  const response = await fetch("/next", { method: "POST", body: reply });
  const buffer = await response.arrayBuffer();
  if (buffer.byteLength === 0) break;
  const view = new DataView(buffer);
  const end = 8 + view.getUint32(0, true);
  const request = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, end - 8)));
  const bytes = request.do === "open"
    ? new Uint8Array(await (await fetch("/library.wasm")).arrayBuffer())
    : new Uint8Array(buffer, end);
  const [head, more = new Uint8Array()] = await library.serve(request, bytes);
  const json = new TextEncoder().encode(JSON.stringify(head));
  reply = new Uint8Array(8 + json.length + more.length);
  new DataView(reply.buffer).setUint32(0, json.length, true);
  new DataView(reply.buffer).setUint32(4, more.length, true);
  reply.set(json, 8);
  reply.set(more, 8 + json.length);
}
</script>`;

const FILES = {
  "/": ["text/html", () => PAGE],
  "/glue.mjs": ["text/javascript", () => fs.readFileSync(new URL("./glue.mjs", import.meta.url))],
  "/package.js": ["text/javascript", () => text],
  "/library.wasm": ["application/wasm", () => fs.readFileSync(libraryFile)],
};

/** The library in a page of a browser. */
async function inBrowser() {
  const waiting = requests();
  const server = http.createServer(async (request, response) => {
    const body = [];
    for await (const chunk of request) body.push(chunk);
    const given = Buffer.concat(body);
    if (request.url === "/said") {
      process.stderr.write(`${given}\n`);
      return void response.end();
    }
    if (request.url === "/next") {
      if (given.length > 0) await answer(given);
      const { value } = await waiting.next();
      response.end(value);
      if (value === undefined) stop();
      return;
    }
    const [type, content] = FILES[request.url] ?? [];
    if (type === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": type }).end(content());
  });
  server.requestTimeout = 0;
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const root = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const child = spawn(browser, [
    "--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
    // Software serves where there is no GPU; a page in the background keeps its timers.
    "--enable-unsafe-webgpu", "--enable-features=Vulkan", "--ignore-gpu-blocklist",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-breakpad",
    `--user-data-dir=${folder}/profile`, ...root, ...words(process.env.ARTCHECK_BROWSER_FLAGS),
    `http://127.0.0.1:${server.address().port}/`,
  ], { stdio: ["ignore", "ignore", "pipe"], detached: false });
  const last = [];
  child.stderr.on("data", (data) => {
    last.push(...String(data).split("\n").filter(Boolean));
    last.splice(0, Math.max(0, last.length - 6));
  });
  child.on("error", (error) => ended(`${browser}: ${error.message}`));
  child.on("exit", (code, signal) => ended(`the browser ended (${signal ?? code})\n${last.join("\n")}`));
  let stopping = false;
  function ended(message) {
    if (!stopping) process.stderr.write(`${message}\n`);
    process.exit(stopping ? 0 : 1);
  }
  function stop() {
    stopping = true;
    child.kill();
  }
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, stop);
  process.on("exit", () => child.kill("SIGKILL"));
}

const words = (text) => (text ?? "").split(" ").filter(Boolean);

await (browser ? inBrowser() : here());
