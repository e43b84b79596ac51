// @ts-check
// Puts the page together: node web/pack.mjs DIST, with artcheck.wasm in it already.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { gzipSync } from "node:zlib";

import { apart, together } from "./apart.js";
import { lazy } from "./lazy.js";
import { unpack } from "./unpack.js";

/** What is sent of it in all, compressed, is less. */
const LIMIT = 1_500_000;
/** What the page reads before anybody gives it something. */
const FIRST = "../corpus/artifacts/synthetic/extcall-2025-09-single-underscore-cpu-x86_64.so";
const from = import.meta.dirname;
const dist = argv[2];
const parts = readdirSync(from).filter((name) => /\.(html|css|js|svg)$/.test(name) && name !== "sw.js");
for (const part of parts) {
  const text = readFileSync(join(from, part), "utf8");
  writeFileSync(join(dist, part), part.endsWith(".js") ? bare(text) : text);
}
copyFileSync(join(from, FIRST), join(dist, "first.so"));
parts.push("first.so");

const wasm = readFileSync(join(dist, "artcheck.wasm"));
const how = ["--format=lzma", "--lzma1=preset=9e,lc=2,lp=0,pb=0", "--stdout"];
const sorted = apart(wasm);
const packed = execFileSync("xz", how, { input: sorted, maxBuffer: 1 << 30 });
// xz leaves the size open, which a reader would have to guess.
packed.writeBigUInt64LE(BigInt(sorted.length), 5);
if (!wasm.equals(together(unpack(packed)))) throw new Error("what was packed does not unpack to the program");
if (!WebAssembly.validate(lazy(wasm))) throw new Error("what the page makes of the program is none");
writeFileSync(join(dist, "artcheck.lzma"), packed);
rmSync(join(dist, "artcheck.wasm"));

/** A script without its comments: browsers do not read them. @param {string} text */
function bare(text) {
  return text.replace(/^ *\/\*\*(?:(?!\*\/)[^])*\*\/\n/gm, "").replace(/^ *\/\/.*\n/gm, "");
}

// The service worker changes its name with anything that it keeps.
const kept = [...parts, "artcheck.lzma"].sort();
const build = createHash("sha256");
for (const name of kept) build.update(name).update(readFileSync(join(dist, name)));
const worker = bare(readFileSync(join(from, "sw.js"), "utf8"))
  .replace("@BUILD@", build.digest("hex").slice(0, 16))
  .replace("/* @FILES@ */", ["./", ...kept].map((name) => JSON.stringify(name)).join(", "));
writeFileSync(join(dist, "sw.js"), worker);

let size = 0;
for (const name of readdirSync(dist)) {
  const bytes = readFileSync(join(dist, name));
  size += name.endsWith(".lzma") ? statSync(join(dist, name)).size : gzipSync(bytes).length;
}
console.log(`${dist}: ${readdirSync(dist).length} files, ${size} bytes compressed; the program is ${(wasm.length / 1e6).toFixed(2)} MB`);
if (size >= LIMIT) throw new Error(`the page has ${size} bytes compressed, and is to have less than ${LIMIT}`);
