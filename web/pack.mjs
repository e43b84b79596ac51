// @ts-check
// Puts the page together: node web/pack.mjs DIST, with artcheck.wasm in it already.

import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { constants, gzipSync } from "node:zlib";

const from = import.meta.dirname;
const dist = argv[2];
const parts = readdirSync(from).filter((name) => /\.(html|css|js|svg)$/.test(name) && name !== "sw.js");
for (const part of parts) copyFileSync(join(from, part), join(dist, part));

const wasm = readFileSync(join(dist, "artcheck.wasm"));
writeFileSync(join(dist, "artcheck.wasm.gz"), gzipSync(wasm, { level: constants.Z_BEST_COMPRESSION }));
rmSync(join(dist, "artcheck.wasm"));

// The service worker changes its name with anything that it keeps.
const kept = [...parts, "artcheck.wasm.gz"].sort();
const build = createHash("sha256");
for (const name of kept) build.update(name).update(readFileSync(join(dist, name)));
const worker = readFileSync(join(from, "sw.js"), "utf8")
  .replace("@BUILD@", build.digest("hex").slice(0, 16))
  .replace("/* @FILES@ */", ["./", ...kept].map((name) => JSON.stringify(name)).join(", "));
writeFileSync(join(dist, "sw.js"), worker);

let size = 0;
for (const name of readdirSync(dist)) {
  const bytes = readFileSync(join(dist, name));
  size += name.endsWith(".gz") ? statSync(join(dist, name)).size : gzipSync(bytes).length;
}
console.log(`${dist}: ${readdirSync(dist).length} files, ${(size / 1e6).toFixed(2)} MB compressed; the program is ${(wasm.length / 1e6).toFixed(2)} MB`);
