// @ts-check
// A file system in memory: what was dropped, read as slices and never copied whole,
// and what the program writes. No links, no permissions, one user.

const CHUNK = 1 << 20;

/**
 * Bytes that are read in parts.
 * @typedef {{ size: number, read(from: number, to: number): Uint8Array }} Source
 */

/**
 * The bytes of a dropped file. Only workers may read synchronously.
 * @param {Blob} blob
 * @returns {Source}
 */
export function ofBlob(blob) {
  const reader = new FileReaderSync();
  return {
    size: blob.size,
    read: (from, to) => new Uint8Array(reader.readAsArrayBuffer(blob.slice(from, to))),
  };
}

/** Bytes that are written: chunks, so that no large one has to be moved to grow. */
class Written {
  constructor() {
    this.size = 0;
    /** @type {Map<number, Uint8Array>} */
    this.chunks = new Map();
  }

  /** @param {number} from @param {number} to */
  read(from, to) {
    const out = new Uint8Array(Math.max(0, Math.min(to, this.size) - from));
    this.each(from, out.length, (chunk, at, part, length) => {
      const bytes = this.chunks.get(chunk);
      if (bytes) out.set(bytes.subarray(at, at + length), part);
    });
    return out;
  }

  /** @param {number} at @param {Uint8Array} bytes */
  write(at, bytes) {
    this.each(at, bytes.length, (chunk, inside, part, length) => {
      let held = this.chunks.get(chunk);
      if (!held) this.chunks.set(chunk, (held = new Uint8Array(CHUNK)));
      held.set(bytes.subarray(part, part + length), inside);
    });
    this.size = Math.max(this.size, at + bytes.length);
  }

  /** @param {number} size */
  resize(size) {
    const last = Math.floor(size / CHUNK);
    for (const [chunk, bytes] of this.chunks) {
      if (chunk > last) this.chunks.delete(chunk);
      if (chunk === last) bytes.fill(0, size % CHUNK);
    }
    this.size = size;
  }

  /**
   * @param {number} from @param {number} length
   * @param {(chunk: number, at: number, part: number, length: number) => void} with_
   */
  each(from, length, with_) {
    for (let done = 0; done < length; ) {
      const at = (from + done) % CHUNK;
      const part = Math.min(CHUNK - at, length - done);
      with_(Math.floor((from + done) / CHUNK), at, done, part);
      done += part;
    }
  }
}

let inodes = 1;

/** A regular file. */
export class FileNode {
  /** @param {Source} [source] */
  constructor(source, changed = Date.now()) {
    /** @type {Source | Written} */
    this.bytes = source ?? new Written();
    this.inode = inodes++;
    this.changed = changed;
    this.written = !source;
  }

  get size() {
    return this.bytes.size;
  }

  /** The bytes as a file to give away. */
  blob() {
    const parts = [];
    for (let at = 0; at < this.size; at += CHUNK) {
      parts.push(/** @type {BlobPart} */ (this.bytes.read(at, Math.min(at + CHUNK, this.size))));
    }
    return new Blob(parts);
  }

  /** What is written to is copied first: what was dropped stays as it is. */
  writable() {
    if (this.bytes instanceof Written) return this.bytes;
    const copy = new Written();
    for (let at = 0; at < this.bytes.size; at += CHUNK) {
      copy.write(at, this.bytes.read(at, Math.min(at + CHUNK, this.bytes.size)));
    }
    this.bytes = copy;
    this.written = true;
    return copy;
  }
}

/** A folder. */
export class Folder {
  constructor() {
    /** @type {Map<string, FileNode | Folder>} */
    this.entries = new Map();
    this.inode = inodes++;
    this.changed = Date.now();
    this.size = 0;
  }

  /**
   * The folder of a path, made if it is missing, and the last name.
   * @param {string} path
   * @returns {[Folder, string]}
   */
  make(path) {
    const names = path.split("/").filter((name) => name && name !== ".");
    const last = names.pop() ?? "";
    /** @type {Folder} */
    let folder = this;
    for (const name of names) {
      let next = folder.entries.get(name);
      if (!(next instanceof Folder)) folder.entries.set(name, (next = new Folder()));
      folder = next;
    }
    return [folder, last];
  }

  /** @param {string} path @param {FileNode | Folder} node */
  add(path, node) {
    const [folder, name] = this.make(path);
    folder.entries.set(name, node);
  }

  /**
   * Takes a file out.
   * @param {string} path
   */
  take(path) {
    const [folder, name] = this.make(path);
    const node = folder.entries.get(name);
    folder.entries.delete(name);
    return node instanceof FileNode ? node : undefined;
  }

  /**
   * Every file that was written, by its path.
   * @param {string} [above]
   * @returns {Generator<[string, FileNode]>}
   */
  *written(above = "") {
    for (const [name, node] of this.entries) {
      if (node instanceof Folder) yield* node.written(`${above}${name}/`);
      else if (node.written) yield [above + name, node];
    }
  }
}
