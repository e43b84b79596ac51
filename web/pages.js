// @ts-check
// Fills the program's memory with large files page by page, when it first looks at
// them. The program was prepared for it (`lazy.js`); how the two work together is
// said there.

import { FileNode } from "./files.js";

const PAGE = 1 << 16;
/** A file up to this size is read at once: one long read beats many short ones. */
const AT_ONCE = 16 << 20;
/** Pages that are read together. */
const AHEAD = 8;

/** The memory of one run. */
export class Pages {
  constructor() {
    /** @type {WebAssembly.Instance | undefined} */
    this.instance = undefined;
    /** @type {{ first: number, end: number, node: FileNode }[]} */
    this.files = [];
    /** Bytes that were read of files that are filled page by page. */
    this.read = 0;
  }

  get exports() {
    const exports = /** @type {WebAssembly.Instance} */ (this.instance).exports;
    return /** @type {{ memory: WebAssembly.Memory, lazy_base?: WebAssembly.Global, lazy_table: WebAssembly.Global }} */ (
      /** @type {unknown} */ (exports)
    );
  }

  /**
   * What is still to be filled: a byte for each page of the machine. The page that it
   * takes is one that the program did not ask for, so nothing else uses it.
   */
  table() {
    const { memory, lazy_table } = this.exports;
    if (lazy_table.value === 0) lazy_table.value = memory.grow(1) * PAGE;
    return new Uint8Array(memory.buffer, lazy_table.value >>> 0, PAGE);
  }

  /**
   * Takes a file's memory over. False where the program has to read it itself.
   * @param {FileNode} node @param {number} at @param {number} length
   */
  take(node, at, length) {
    const { memory, lazy_base } = this.exports;
    if (!lazy_base) return false;
    const first = at / PAGE;
    const end = Math.ceil((at + length) / PAGE);
    // Nothing stays marked that belongs to no file: a look covers the next page too.
    const gone = this.files.filter((file) => file.first < end && first < file.end);
    for (const file of gone) this.table().fill(0, file.first, file.end);
    this.files = this.files.filter((file) => !gone.includes(file));
    if (length <= AT_ONCE) {
      new Uint8Array(memory.buffer, at, length).set(node.bytes.read(0, length));
      return true;
    }
    this.table().fill(1, first, end);
    this.files.push({ first, end, node });
    // A load's own offset may lead up to a page further than the address it compares.
    lazy_base.value = Math.min(lazy_base.value >>> 0, at - PAGE);
    return true;
  }

  /**
   * Fills what is missing of some bytes.
   * @param {number} at @param {number} length
   */
  fill(at, length) {
    if (!this.instance || !lazy_table_is_set(this.exports)) return;
    const end = Math.ceil((at + length) / PAGE);
    for (let page = Math.floor(at / PAGE); page < end; page += 1) {
      if (this.table()[page]) this.page(page);
    }
  }

  /** @param {number} page */
  page(page) {
    const file = this.files.find((file) => file.first <= page && page < file.end);
    if (!file) throw new Error("a page belongs to no file");
    const table = this.table();
    let end = page;
    while (end < file.end && end < page + AHEAD && table[end]) end += 1;
    const from = (page - file.first) * PAGE;
    const bytes = file.node.bytes.read(from, Math.min((end - file.first) * PAGE, file.node.size));
    new Uint8Array(this.exports.memory.buffer, page * PAGE, bytes.length).set(bytes);
    table.fill(0, page, end);
    this.read += bytes.length;
  }
}

/** @param {{ lazy_base?: WebAssembly.Global, lazy_table: WebAssembly.Global }} exports */
function lazy_table_is_set(exports) {
  return exports.lazy_base !== undefined && exports.lazy_table.value !== 0;
}
