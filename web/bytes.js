// @ts-check
// Bytes and the numbers of WebAssembly, read and written.

/** Reads numbers and bytes, one after the other. */
export class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte() {
    if (this.at >= this.bytes.length) throw new Error("the file ends early");
    return this.bytes[this.at++];
  }

  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  /** A signed number, which nothing here needs to know. */
  skipNumber() {
    while (this.byte() >= 128);
  }

  take(length = this.number()) {
    const bytes = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return bytes;
  }
}

/** Collects bytes. */
export class Writer {
  constructor(room = 1 << 16) {
    this.room = new Uint8Array(room);
    this.length = 0;
  }

  /** @param {ArrayLike<number>} bytes */
  put(bytes) {
    const end = this.length + bytes.length;
    if (end > this.room.length) {
      const room = new Uint8Array(Math.max(end, this.room.length * 2));
      room.set(this.room.subarray(0, this.length));
      this.room = room;
    }
    this.room.set(bytes, this.length);
    this.length = end;
    return this;
  }

  /** @param {number} value */
  byte(value) {
    if (this.length === this.room.length) this.put([0]).length -= 1;
    this.room[this.length++] = value;
  }

  /** @param {number} value */
  number(value) {
    return this.put(unsigned(value));
  }

  /** @param {Uint8Array} bytes */
  counted(bytes) {
    return this.number(bytes.length).put(bytes);
  }

  done() {
    return this.room.subarray(0, this.length);
  }
}

/** @param {number} value */
export function unsigned(value) {
  const out = [];
  for (; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  out.push(value);
  return out;
}
