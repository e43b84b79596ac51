// @ts-check
// Runs one command of the program over files in memory.

import { FileNode, Folder } from "./files.js";
import { Pages } from "./pages.js";
import { Exit, Wasi } from "./wasi.js";

/** The folder for temporary files, and for what a command writes for the page. */
export const TEMPORARY = ".tmp";

/**
 * What a command did.
 * @typedef {{ status: number, stdout: Uint8Array, stderr: string, read: number, memory: number }} Done
 */

/**
 * @param {WebAssembly.Module} program what the Rust compiler made, through `lazy.js` or not
 * @param {Folder} root
 * @param {string[]} args
 * @param {{ stdin?: Uint8Array }} [given]
 * @returns {Done}
 */
export function run(program, root, args, given = {}) {
  /** @type {Uint8Array[]} */
  const out = [];
  /** @type {Uint8Array[]} */
  const err = [];
  const wasi = new Wasi(root, ["artcheck", ...args], {
    stdin: given.stdin,
    env: [`TMPDIR=/${TEMPORARY}`],
    stdout: (text) => out.push(text),
    stderr: (text) => err.push(text),
  });
  const pages = new Pages();
  const instance = new WebAssembly.Instance(program, {
    wasi_snapshot_preview1: /** @type {WebAssembly.ModuleImports} */ (wasi.imports),
    artcheck: {
      pages: (/** @type {number} */ fd, /** @type {number} */ at, /** @type {number} */ length) => {
        if (fd < 0) return pages.fill(at >>> 0, length >>> 0) ?? 1;
        const node = wasi.of(fd).node;
        return node instanceof FileNode && pages.take(node, at >>> 0, length >>> 0) ? 1 : 0;
      },
    },
  });
  pages.instance = instance;
  const { memory, _start } = /** @type {any} */ (instance.exports);
  wasi.memory = memory;
  wasi.touch = (at, length) => pages.fill(at, length);
  let status = 0;
  try {
    _start();
  } catch (error) {
    if (!(error instanceof Exit)) {
      throw new Error(`the program stopped: ${error}\n${new TextDecoder().decode(joined(err))}`);
    }
    status = error.status;
  }
  return {
    status,
    stdout: joined(out),
    stderr: new TextDecoder().decode(joined(err)),
    read: pages.read,
    memory: memory.buffer.byteLength,
  };
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
