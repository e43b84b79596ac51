// @ts-check
// Makes the program's loads ask for pages that are not there yet.
// The page does it, after unpacking: what is put in is a twenty-fifth of its size on
// the way.
//
// A large file is not read when the program opens it: its memory stays empty, and the
// host fills each page of 64 KiB when a load first meets it. WebAssembly has no page
// faults, so each load is preceded by a comparison: an address at or above `lazy_base`
// goes to a function that looks the page up in a table of bytes at `lazy_table` and
// calls the host's `artcheck.pages(-1, at, 1)` where it is marked. Both are globals
// that the host sets (`pages.js`); while no large file is open the comparison is all
// there is. Loads from the stack frame and from constant addresses are left alone, and
// so are stores: only the host writes into such memory.

import { Reader, unsigned, Writer } from "./bytes.js";

const TYPE = 1, IMPORT = 2, FUNCTION = 3, GLOBAL = 6, EXPORT = 7, CODE = 10;
const I32 = 0x7f, NOTHING = 0x40;
/** How far a load's own offset and length may lead: one look covers so many bytes. */
const NEAR = 1 << 16;
/** Instructions at which ways meet or other functions run: what was looked at is forgotten. */
const TURNS = new Set([0x02, 0x03, 0x04, 0x05, 0x0b, 0x10, 0x11, 0x12, 0x13]);

/** @param {number} value */
function signed(value) {
  const out = [];
  for (let rest = value | 0; ; ) {
    const byte = rest & 127;
    rest >>= 7;
    if ((rest === 0 && byte < 64) || (rest === -1 && byte >= 64)) return [...out, byte];
    out.push(byte | 128);
  }
}

/**
 * Passes over what follows an instruction's first byte.
 * @param {Reader} reader @param {number} code
 */
function operands(reader, code) {
  if (code >= 0x45 && code <= 0xc4) return;
  if (code >= 0x28 && code <= 0x3e) return void (reader.number(), reader.number());
  switch (code) {
    case 0x00: case 0x01: case 0x05: case 0x0b: case 0x0f: case 0x1a: case 0x1b: case 0xd1:
      return;
    case 0x02: case 0x03: case 0x04: case 0x41: case 0x42: case 0xd0:
      return reader.skipNumber();
    case 0x0c: case 0x0d: case 0x10: case 0x12: case 0x20: case 0x21: case 0x22:
    case 0x23: case 0x24: case 0x25: case 0x26: case 0x3f: case 0x40: case 0xd2:
      return void reader.number();
    case 0x11: case 0x13:
      return void (reader.number(), reader.number());
    case 0x0e:
      for (let left = reader.number(); left >= 0; left -= 1) reader.number();
      return;
    case 0x1c:
      return void reader.take();
    case 0x43:
      return void reader.take(4);
    case 0x44:
      return void reader.take(8);
    case 0xfc: {
      const more = reader.number();
      const two = [8, 10, 12, 14], one = [9, 11, 13, 15, 16, 17];
      if (two.includes(more)) reader.number();
      if (two.includes(more) || one.includes(more)) reader.number();
      else if (more > 7) throw new Error(`instruction fc ${more} is not known`);
      return;
    }
    default:
      throw new Error(`instruction ${code.toString(16)} is not known`);
  }
}

/**
 * A function's body with its loads preceded by a look at the address.
 * @param {Uint8Array} body @param {number} params
 * @param {{ base: number, touch: number, copy: number }} our
 */
function watched(body, params, our) {
  const reader = new Reader(body);
  const groups = reader.number();
  const declared = new Writer();
  let locals = params;
  for (let i = 0; i < groups; i += 1) {
    const count = reader.number();
    locals += count;
    declared.number(count).put([reader.byte()]);
  }
  const address = unsigned(locals);
  const frame = frameOf(body, reader.at);
  const out = new Writer();
  let kept = reader.at;
  let before = { code: -1, operand: -1 };
  let used = false;
  /** Locals whose address was looked at, and has not changed since. @type {Set<number>} */
  const seen = new Set();
  while (reader.at < body.length) {
    const start = reader.at;
    const code = reader.byte();
    const inside = reader.at;
    operands(reader, code);
    if (code >= 0x28 && code <= 0x35) {
      const own = before.code === 0x41 || (before.code === 0x20 && before.operand === frame);
      if (!own) {
        const memory = new Reader(body, inside);
        memory.number();
        const offset = memory.number();
        const far = offset <= NEAR - 8 ? [] : [0x41, ...signed(offset), 0x6a];
        const local = before.code === 0x20 || before.code === 0x22 ? before.operand : -1;
        if (local < 0 || far.length > 0 || !seen.has(local)) {
          out.put(body.subarray(kept, start));
          kept = start;
          const from = local < 0 ? address : unsigned(local);
          if (local < 0) out.put([0x22, ...address]);
          out.put([...(local < 0 ? [] : [0x20, ...from]), ...far, 0x23, ...unsigned(our.base), 0x4f]);
          out.put([0x04, NOTHING, 0x20, ...from, ...far, 0x10, ...unsigned(our.touch), 0x0b]);
          if (local < 0) out.put([0x20, ...address]);
          used ||= local < 0;
          if (far.length === 0) seen.add(local);
        }
      }
    } else if (code === 0xfc && body[inside] === 10) {
      out.put(body.subarray(kept, start)).put([0x10, ...unsigned(our.copy)]);
      kept = reader.at;
    }
    const named = code === 0x20 || code === 0x21 || code === 0x22;
    before = { code, operand: named ? new Reader(body, inside).number() : -1 };
    if (code === 0x21 || code === 0x22) seen.delete(before.operand);
    if (TURNS.has(code) || code === 0xfc) seen.clear();
  }
  out.put(body.subarray(kept));
  const whole = new Writer();
  whole.number(groups + (used ? 1 : 0)).put(declared.done());
  if (used) whole.put([1, I32]);
  return whole.put(out.done()).done();
}

/**
 * The local that holds the stack frame: set at the start of the function from global 0,
 * and nowhere else; -1 where there is none.
 * @param {Uint8Array} body @param {number} at
 */
function frameOf(body, at) {
  const reader = new Reader(body, at);
  /** @type {number[]} */
  const codes = [];
  let frame = -1;
  let set = 0;
  while (reader.at < body.length) {
    const code = reader.byte();
    const operand = new Reader(body, reader.at);
    operands(reader, code);
    if (code === 0x21 || code === 0x22) {
      const local = operand.number();
      if (codes.length === 3 && codes.join() === "35,65,107") frame = local;
      if (local === frame) set += 1;
    } else if (code === 0x23 && codes.length === 0 && operand.number() !== 0) {
      return -1;
    }
    if (codes.length < 4) codes.push(code);
  }
  return set === 1 ? frame : -1;
}

/**
 * `touch(at)`: asks for the two pages that hold what loads near an address may read.
 * @param {{ base: number, table: number, pages: number }} our
 */
function touch({ table, pages }) {
  const page = (/** @type {number[]} */ more) => [
    0x20, 0, ...more, 0x41, 16, 0x76, // (at + more) >> 16
    0x23, ...unsigned(table), 0x6a, 0x2d, 0, 0, // the byte of the table
    0x04, NOTHING, 0x41, 0x7f, 0x20, 0, ...more, 0x41, 1, 0x10, ...unsigned(pages), 0x1a, 0x0b,
  ];
  return new Uint8Array([0, ...page([]), ...page([0x41, ...signed(NEAR - 1), 0x6a]), 0x0b]);
}

/**
 * `copy(to, from, length)`: as `memory.copy`, after asking for the pages it reads.
 * @param {{ base: number, table: number, pages: number }} our
 */
function copy({ base, pages }) {
  return new Uint8Array([
    0,
    0x20, 1, 0x20, 2, 0x6a, 0x23, ...unsigned(base), 0x4f, 0x20, 2, 0x45, 0x45, 0x71,
    0x04, NOTHING, 0x41, 0x7f, 0x20, 1, 0x20, 2, 0x10, ...unsigned(pages), 0x1a, 0x0b,
    0x20, 0, 0x20, 1, 0x20, 2, 0xfc, 10, 0, 0, 0x0b,
  ]);
}

/** @param {string} name @param {number} kind @param {number} index */
function exported(name, kind, index) {
  const text = new TextEncoder().encode(name);
  return [...unsigned(text.length), ...text, kind, ...unsigned(index)];
}

/**
 * The program with watched loads.
 * @param {Uint8Array} wasm
 */
export function lazy(wasm) {
  const sections = sectionsOf(wasm);
  const types = typesOf(sections.get(TYPE));
  const imports = importsOf(sections.get(IMPORT));
  const functions = vector(sections.get(FUNCTION), (reader) => reader.number());
  const count = imports.functions.length + functions.length;
  const globals = new Reader(part(sections.get(GLOBAL))).number() + imports.globals;
  const our = {
    base: globals,
    table: globals + 1,
    pages: imports.functions.indexOf("artcheck.pages"),
    touch: count,
    copy: count + 1,
  };
  if (our.pages < 0) throw new Error("the program does not import artcheck.pages");
  const code = new Reader(part(sections.get(CODE)));
  const bodies = Array.from({ length: code.number() }, () => code.take());
  const watch = bodies.map((body, i) => watched(body, types[functions[i]], our));
  watch.push(touch(our), copy(our));
  const all = new Writer().number(watch.length);
  for (const body of watch) all.counted(body);
  sections.set(CODE, all.done());
  // i32 -> nothing, and three of them -> nothing.
  add(sections, TYPE, [[0x60, 1, I32, 0], [0x60, 3, I32, I32, I32, 0]]);
  add(sections, FUNCTION, [unsigned(types.length), unsigned(types.length + 1)]);
  // No address is above the first, so nothing is looked up before the host says so.
  add(sections, GLOBAL, [[I32, 1, 0x41, 0x7f, 0x0b], [I32, 1, 0x41, 0, 0x0b]]);
  add(sections, EXPORT, [
    exported("lazy_base", 3, our.base),
    exported("lazy_table", 3, our.table),
  ]);
  const out = new Writer().put(wasm.subarray(0, 8));
  for (const [id, bytes] of sections) out.put([id]).counted(bytes);
  return out.done();
}

/** @param {Uint8Array | undefined} bytes */
function part(bytes) {
  if (!bytes) throw new Error("a part of the program is missing");
  return bytes;
}

/** Sections by their numbers, in order; those that are only for people are left out. @param {Uint8Array} wasm */
function sectionsOf(wasm) {
  const reader = new Reader(wasm, 8);
  /** @type {Map<number, Uint8Array>} */
  const sections = new Map();
  while (reader.at < wasm.length) {
    const id = reader.byte();
    const bytes = reader.take();
    if (id !== 0) sections.set(id, bytes);
  }
  return sections;
}

/**
 * @template T
 * @param {Uint8Array | undefined} bytes @param {(reader: Reader) => T} each
 */
function vector(bytes, each) {
  const reader = new Reader(part(bytes));
  return Array.from({ length: reader.number() }, () => each(reader));
}

/** How many parameters each type of function has. @param {Uint8Array | undefined} bytes */
function typesOf(bytes) {
  return vector(bytes, (reader) => {
    if (reader.byte() !== 0x60) throw new Error("a type is no function's");
    const params = reader.take().length;
    reader.take();
    return params;
  });
}

/** @param {Uint8Array | undefined} bytes */
function importsOf(bytes) {
  /** @type {string[]} */
  const functions = [];
  let globals = 0;
  vector(bytes, (reader) => {
    const text = () => new TextDecoder().decode(reader.take());
    const name = `${text()}.${text()}`;
    const kind = reader.byte();
    if (kind === 0) {
      reader.number();
      functions.push(name);
    } else if (kind === 3) {
      reader.take(2);
      globals += 1;
    } else {
      throw new Error(`${name} is neither a function nor a global`);
    }
  });
  return { functions, globals };
}

/** Adds to a section's list. @param {Map<number, Uint8Array>} sections @param {number} id @param {number[][]} more */
function add(sections, id, more) {
  const reader = new Reader(part(sections.get(id)));
  const count = reader.number();
  const out = new Writer().number(count + more.length).put(reader.bytes.subarray(reader.at));
  for (const one of more) out.put(one);
  sections.set(id, out.done());
}
