// @ts-check
// The program's code with like beside like: what it does, which locals, how far, and so on
// are each in a part of their own. So it packs to a twelfth less, and the page puts it
// together again after unpacking. One walk does both: code is read from one place and
// written to many, or the other way.

import { Reader, Writer } from "./bytes.js";

const CODE = 10;
/** The parts. */
const OTHER = 0, DOES = 1, GET = 2, SET = 3, FROM = 4, NEAR = 5, TO = 6, NUMBER = 7, LONG = 8;
const CALL = 9, BRANCH = 10, CHOICE = 11;
const PARTS = 12;

/**
 * Passes one function's body on.
 * @param {Reader[]} from @param {Writer[]} to by the numbers of the parts
 */
function pass(from, to) {
  const bytes = (/** @type {number} */ part, /** @type {number} */ count) => {
    for (; count > 0; count -= 1) to[part].byte(from[part].byte());
  };
  const number = (/** @type {number} */ part) => {
    const [source, sink] = [from[part], to[part]];
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = source.byte();
      sink.byte(byte);
      value += (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  for (let groups = number(OTHER); groups > 0; groups -= 1) {
    number(OTHER);
    bytes(OTHER, 1);
  }
  let code = 0;
  for (let depth = 1; depth > 0; ) {
    const before = code;
    code = from[DOES].byte();
    to[DOES].byte(code);
    if (code >= 0x28 && code <= 0x3e) {
      number(DOES);
      number(code >= 0x36 ? TO : before === 0x20 || before === 0x22 ? NEAR : FROM);
    } else if (code < 0x45 || code > 0xc4) {
      depth += code >= 0x02 && code <= 0x04 ? 1 : code === 0x0b ? -1 : 0;
      operands(code, number, bytes);
    }
  }
}

/**
 * @param {number} code
 * @param {(part: number) => number} number @param {(part: number, count: number) => void} bytes
 */
function operands(code, number, bytes) {
  switch (code) {
    case 0x00: case 0x01: case 0x05: case 0x0b: case 0x0f: case 0x1a: case 0x1b: case 0xd1:
      return;
    case 0x02: case 0x03: case 0x04: case 0xd0:
      return void number(DOES);
    case 0x20:
      return void number(GET);
    case 0x21: case 0x22:
      return void number(SET);
    case 0x41:
      return void number(NUMBER);
    case 0x42:
      return void number(LONG);
    case 0x10: case 0x12:
      return void number(CALL);
    case 0x0c:
      return void number(BRANCH);
    case 0x0d:
      return void number(CHOICE);
    case 0x11: case 0x13:
      return void (number(OTHER), number(OTHER));
    case 0x23: case 0x24: case 0x25: case 0x26: case 0x3f: case 0x40: case 0xd2:
      return void number(OTHER);
    case 0x0e:
      for (let left = number(OTHER); left >= 0; left -= 1) number(OTHER);
      return;
    case 0x1c:
      return bytes(OTHER, number(OTHER));
    case 0x43:
      return bytes(OTHER, 4);
    case 0x44:
      return bytes(OTHER, 8);
    case 0xfc: {
      const more = number(DOES);
      const two = [8, 10, 12, 14], one = [9, 11, 13, 15, 16, 17];
      if (two.includes(more)) number(OTHER);
      if (two.includes(more) || one.includes(more)) number(OTHER);
      else if (more > 7) throw new Error(`instruction fc ${more} is not known`);
      return;
    }
    default:
      throw new Error(`instruction ${code.toString(16)} is not known`);
  }
}

/** @param {Uint8Array} wasm */
export function apart(wasm) {
  const reader = new Reader(wasm, 8);
  let start = 8;
  while (reader.byte() !== CODE) {
    reader.take();
    start = reader.at;
  }
  const code = new Reader(reader.take());
  const parts = Array.from({ length: PARTS }, () => new Writer());
  const count = code.number();
  for (let left = count; left > 0; left -= 1) {
    pass(Array(PARTS).fill(new Reader(code.take())), parts);
  }
  const out = new Writer().counted(wasm.subarray(0, start)).counted(wasm.subarray(reader.at)).number(count);
  for (const part of parts) out.counted(part.done());
  return out.done();
}

/** What was taken apart. @param {Uint8Array} bytes */
export function together(bytes) {
  const reader = new Reader(bytes);
  const [before, after, count] = [reader.take(), reader.take(), reader.number()];
  const parts = Array.from({ length: PARTS }, () => new Reader(reader.take()));
  const code = new Writer().number(count);
  const body = new Writer();
  const bodies = Array(PARTS).fill(body);
  for (let left = count; left > 0; left -= 1) {
    body.length = 0;
    pass(parts, bodies);
    code.counted(body.done());
  }
  return new Writer().put(before).put([CODE]).counted(code.done()).put(after).done();
}
