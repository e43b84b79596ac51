// @ts-check
// Unpacks LZMA, in the form that `xz --format=lzma` writes: browsers undo gzip alone, and
// a third of the program's size on the way is worth these lines. The format is described
// in the LZMA SDK's lzma-specification.txt.

const TOP = 1 << 24;
const HALF = 1024;
const LOW_LEVELS = 8, MIDDLE_LEVELS = 8, HIGH_LEVELS = 256;

/** @param {number} count */
function evens(count) {
  return new Uint16Array(count).fill(HALF);
}

/** How long a match is. */
class Lengths {
  constructor() {
    this.choice = evens(2);
    this.low = evens(16 * LOW_LEVELS);
    this.middle = evens(16 * MIDDLE_LEVELS);
    this.high = evens(HIGH_LEVELS);
  }

  /** @param {Bits} bits @param {number} place */
  read(bits, place) {
    if (bits.bit(this.choice, 0) === 0) return bits.tree(this.low, place << 3, 3);
    if (bits.bit(this.choice, 1) === 0) return 8 + bits.tree(this.middle, place << 3, 3);
    return 16 + bits.tree(this.high, 0, 8);
  }
}

/** Bits, each with what is known of how likely it is. */
class Bits {
  /** @param {Uint8Array} bytes @param {number} at */
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at + 5;
    this.range = 0xffffffff;
    this.code = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 1);
  }

  next() {
    if (this.range >= TOP) return;
    this.range = (this.range << 8) >>> 0;
    this.code = ((this.code << 8) | this.bytes[this.at++]) >>> 0;
  }

  /** @param {Uint16Array} odds @param {number} at */
  bit(odds, at) {
    const even = odds[at];
    const bound = (this.range >>> 11) * even;
    if (this.code < bound) {
      this.range = bound;
      odds[at] = even + ((2048 - even) >> 5);
      this.next();
      return 0;
    }
    this.range -= bound;
    this.code -= bound;
    odds[at] = even - (even >> 5);
    this.next();
    return 1;
  }

  /** Bits that are as likely as not. @param {number} count */
  plain(count) {
    let value = 0;
    for (; count > 0; count -= 1) {
      this.range >>>= 1;
      const bit = this.code >= this.range ? 1 : 0;
      if (bit) this.code -= this.range;
      value = (value << 1) | bit;
      this.next();
    }
    return value;
  }

  /** The highest bit first. @param {Uint16Array} odds @param {number} from @param {number} count */
  tree(odds, from, count) {
    let node = 1;
    for (let i = 0; i < count; i += 1) node = (node << 1) | this.bit(odds, from + node);
    return node - (1 << count);
  }

  /** The lowest bit first. @param {Uint16Array} odds @param {number} from @param {number} count */
  reversed(odds, from, count) {
    let node = 1;
    let value = 0;
    for (let i = 0; i < count; i += 1) {
      const bit = this.bit(odds, from + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }
}

/** @param {Uint8Array} packed with the size of what comes out in its header */
export function unpack(packed) {
  const size = new DataView(packed.buffer, packed.byteOffset).getUint32(5, true);
  const lc = packed[0] % 9;
  const lp = Math.floor(packed[0] / 9) % 5;
  const pb = Math.floor(packed[0] / 45);
  const bits = new Bits(packed, 13);
  const out = new Uint8Array(size);
  const literals = evens(0x300 << (lc + lp));
  const isMatch = evens(12 << 4), isRep0Long = evens(12 << 4);
  const isRep = evens(12), isRepG0 = evens(12), isRepG1 = evens(12), isRepG2 = evens(12);
  const slots = evens(4 << 6), align = evens(16), distances = evens(128);
  const lengths = new Lengths(), repeats = new Lengths();
  let state = 0;
  let [rep0, rep1, rep2, rep3] = [0, 0, 0, 0];
  let at = 0;
  while (at < size) {
    const place = at & ((1 << pb) - 1);
    if (bits.bit(isMatch, (state << 4) + place) === 0) {
      const before = at > 0 ? out[at - 1] : 0;
      const from = 0x300 * (((at & ((1 << lp) - 1)) << lc) + (before >> (8 - lc)));
      let symbol = 1;
      if (state >= 7) {
        let match = out[at - rep0 - 1];
        do {
          const bit = (match >> 7) & 1;
          match <<= 1;
          const found = bits.bit(literals, from + ((1 + bit) << 8) + symbol);
          symbol = (symbol << 1) | found;
          if (bit !== found) break;
        } while (symbol < 256);
      }
      while (symbol < 256) symbol = (symbol << 1) | bits.bit(literals, from + symbol);
      out[at++] = symbol;
      state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
      continue;
    }
    let length;
    if (bits.bit(isRep, state) === 0) {
      [rep3, rep2, rep1] = [rep2, rep1, rep0];
      length = lengths.read(bits, place);
      state = state < 7 ? 7 : 10;
      const slot = bits.tree(slots, Math.min(length, 3) << 6, 6);
      rep0 = slot;
      if (slot >= 4) {
        const extra = (slot >> 1) - 1;
        rep0 = (2 | (slot & 1)) << extra;
        if (slot < 14) rep0 += bits.reversed(distances, rep0 - slot, extra);
        else rep0 += (bits.plain(extra - 4) << 4) + bits.reversed(align, 0, 4);
      }
    } else {
      if (bits.bit(isRepG0, state) === 0) {
        if (bits.bit(isRep0Long, (state << 4) + place) === 0) {
          state = state < 7 ? 9 : 11;
          out[at] = out[at - rep0 - 1];
          at += 1;
          continue;
        }
      } else {
        let distance = rep1;
        if (bits.bit(isRepG1, state) === 1) {
          distance = rep2;
          if (bits.bit(isRepG2, state) === 1) {
            distance = rep3;
            rep3 = rep2;
          }
          rep2 = rep1;
        }
        rep1 = rep0;
        rep0 = distance;
      }
      length = repeats.read(bits, place);
      state = state < 7 ? 8 : 11;
    }
    length += 2;
    if (rep0 >= at || at + length > size) throw new Error("the program came damaged");
    for (let i = 0; i < length; i += 1, at += 1) out[at] = out[at - rep0 - 1];
  }
  if (at !== size) throw new Error("the program came damaged");
  return out;
}
