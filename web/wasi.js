// @ts-check
// The calls of WASI (preview 1) that the program makes, over files in memory.
// What it does not make is not here: instantiating would fail and name it.

import { FileNode, Folder } from "./files.js";

const OK = 0, BADF = 8, EXIST = 20, INVAL = 28, ISDIR = 31, NOENT = 44, NOTDIR = 54;
const NOTEMPTY = 55, NOTSUP = 58;
const CHARACTERS = 2, DIRECTORY = 3, REGULAR = 4;
const CREATE = 1, MUST_BE_FOLDER = 2, MUST_BE_NEW = 4, EMPTY = 8;
const APPEND = 1;
const ROOT = 3;

/** The program has ended. */
export class Exit {
  /** @param {number} status */
  constructor(status) {
    this.status = status;
  }
}

class Refused {
  /** @param {number} errno */
  constructor(errno) {
    this.errno = errno;
  }
}

/** @param {number} errno @returns {never} */
function refuse(errno) {
  throw new Refused(errno);
}

/**
 * @typedef {{ node: FileNode | Folder, at: number, append: boolean, names?: string[] }} Open
 * @typedef {(text: Uint8Array) => void} Out
 */

/** One run of the program. */
export class Wasi {
  /**
   * @param {Folder} root
   * @param {string[]} args
   * @param {{ stdin?: Uint8Array, stdout: Out, stderr: Out, env?: string[] }} streams
   */
  constructor(root, args, streams) {
    this.root = root;
    this.args = args.map(zeroEnded);
    this.env = (streams.env ?? []).map(zeroEnded);
    this.streams = streams;
    /** What is left of it. @type {Uint8Array} */
    this.stdin = streams.stdin ?? new Uint8Array();
    /** @type {WebAssembly.Memory | undefined} */
    this.memory = undefined;
    /** Called before memory is read here: its pages may still be on their way. */
    this.touch = (/** @type {number} */ _at, /** @type {number} */ _length) => {};
    /** @type {Map<number, Open>} */
    this.open = new Map([[ROOT, { node: root, at: 0, append: false }]]);
    /** @type {Record<string, Function>} */
    this.imports = {};
    for (const name of Object.getOwnPropertyNames(Calls.prototype)) {
      if (name === "constructor") continue;
      const call = /** @type {any} */ (Calls.prototype)[name];
      this.imports[name] = (/** @type {any[]} */ ...given) => {
        try {
          return call.apply(this, given) ?? OK;
        } catch (error) {
          if (error instanceof Refused) return error.errno;
          throw error;
        }
      };
    }
  }

  view() {
    return new DataView(/** @type {WebAssembly.Memory} */ (this.memory).buffer);
  }

  /** @param {number} at @param {number} length */
  bytes(at, length) {
    const memory = /** @type {WebAssembly.Memory} */ (this.memory);
    return new Uint8Array(memory.buffer, at >>> 0, length >>> 0);
  }

  /** @param {number} at @param {number} length */
  read(at, length) {
    this.touch(at >>> 0, length >>> 0);
    return this.bytes(at, length);
  }

  /** @param {number} at @param {number} length */
  text(at, length) {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.read(at, length).slice());
  }

  /** @param {number} at @param {number} count @returns {[number, number][]} */
  vectors(at, count) {
    const view = this.view();
    return Array.from({ length: count }, (_, i) => [
      view.getUint32(at + 8 * i, true),
      view.getUint32(at + 8 * i + 4, true),
    ]);
  }

  /** @param {number} fd @returns {Open} */
  of(fd) {
    return this.open.get(fd) ?? refuse(BADF);
  }

  /** @param {number} fd */
  file(fd) {
    const { node } = this.of(fd);
    return node instanceof FileNode ? node : refuse(ISDIR);
  }

  /** @param {Open} open */
  start(open) {
    let fd = ROOT + 1;
    while (this.open.has(fd)) fd += 1;
    this.open.set(fd, open);
    return fd;
  }

  /**
   * Where a path leads: the folder, the last name, and what is there.
   * @param {number} fd @param {number} at @param {number} length
   */
  find(fd, at, length) {
    const from = this.of(fd).node;
    const path = this.text(at, length);
    const names = path.split("/").filter((name) => name && name !== ".");
    const above = [path.startsWith("/") || !(from instanceof Folder) ? this.root : from];
    const name = names.pop() ?? "..";
    for (const next of names) {
      if (next === "..") {
        if (above.length > 1) above.pop();
        continue;
      }
      const node = above[above.length - 1].entries.get(next);
      if (!(node instanceof Folder)) return refuse(node ? NOTDIR : NOENT);
      above.push(node);
    }
    // What ends in `..`, or has no name at all, is a folder that was passed.
    if (name === ".." && path.includes("..") && above.length > 1) above.pop();
    const folder = above[above.length - 1];
    const node = name === ".." ? folder : folder.entries.get(name);
    if (path.endsWith("/") && node instanceof FileNode) refuse(NOTDIR);
    return { folder, name, node };
  }

  /** @param {number} fd @param {number} at @param {number} length */
  found(fd, at, length) {
    const found = this.find(fd, at, length);
    return { ...found, node: found.node ?? refuse(NOENT) };
  }

  /** @param {number} at @param {FileNode | Folder | undefined} node */
  stat(at, node) {
    const view = this.view();
    const is = node ? (node instanceof Folder ? DIRECTORY : REGULAR) : CHARACTERS;
    const time = BigInt(Math.round(node?.changed ?? 0)) * 1000000n;
    view.setBigUint64(at, 1n, true);
    view.setBigUint64(at + 8, BigInt(node?.inode ?? 0), true);
    view.setBigUint64(at + 16, BigInt(is), true);
    view.setBigUint64(at + 24, 1n, true);
    view.setBigUint64(at + 32, BigInt(node?.size ?? 0), true);
    for (const field of [40, 48, 56]) view.setBigUint64(at + field, time, true);
  }

  /** @param {Uint8Array[]} texts @param {number} pointers @param {number} at */
  put(texts, pointers, at) {
    for (const text of texts) {
      this.view().setUint32(pointers, at, true);
      this.bytes(at, text.length).set(text);
      pointers += 4;
      at += text.length;
    }
  }

  /** @param {Uint8Array[]} texts @param {number} count @param {number} size */
  sizes(texts, count, size) {
    const view = this.view();
    view.setUint32(count, texts.length, true);
    view.setUint32(size, texts.reduce((sum, text) => sum + text.length, 0), true);
  }

  /** The next bytes of standard input. @param {number} length */
  take(length) {
    const part = this.stdin.subarray(0, length);
    this.stdin = this.stdin.subarray(part.length);
    return part;
  }

  /** @param {FileNode} node @param {number} from @param {number} at @param {number} count */
  fill(node, from, at, count) {
    let done = 0;
    for (const [to, length] of this.vectors(at, count)) {
      const part = node.bytes.read(from + done, Math.min(from + done + length, node.size));
      this.bytes(to, part.length).set(part);
      done += part.length;
      if (part.length < length) break;
    }
    return done;
  }

  /** @param {FileNode} node @param {number} to @param {number} at @param {number} count */
  store(node, to, at, count) {
    const bytes = node.writable();
    let done = 0;
    for (const [from, length] of this.vectors(at, count)) {
      bytes.write(to + done, this.read(from, length));
      done += length;
    }
    node.changed = Date.now();
    return done;
  }
}

/** @param {string} text */
function zeroEnded(text) {
  return new TextEncoder().encode(`${text}\0`);
}

/** The calls. `this` is the run. Names and numbers are WASI's. */
class Calls extends Wasi {
  /** @param {number} at @param {number} text */
  args_get(at, text) {
    this.put(this.args, at, text);
  }

  /** @param {number} count @param {number} size */
  args_sizes_get(count, size) {
    this.sizes(this.args, count, size);
  }

  /** @param {number} at @param {number} text */
  environ_get(at, text) {
    this.put(this.env, at, text);
  }

  /** @param {number} count @param {number} size */
  environ_sizes_get(count, size) {
    this.sizes(this.env, count, size);
  }

  /** @param {number} clock @param {bigint} _precision @param {number} at */
  clock_time_get(clock, _precision, at) {
    const now = clock === 0 ? Date.now() : performance.now();
    this.view().setBigUint64(at, BigInt(Math.round(now * 1e6)), true);
  }

  /** @param {number} at @param {number} length */
  random_get(at, length) {
    for (let done = 0; done < length; done += 65536) {
      crypto.getRandomValues(this.bytes(at + done, Math.min(65536, length - done)));
    }
  }

  sched_yield() {}

  /** @param {number} status */
  proc_exit(status) {
    throw new Exit(status);
  }

  poll_oneoff() {
    return NOTSUP;
  }

  /** @param {number} fd */
  fd_close(fd) {
    this.of(fd);
    this.open.delete(fd);
  }

  /** @param {number} fd @param {number} at */
  fd_fdstat_get(fd, at) {
    const node = fd < ROOT ? undefined : this.of(fd).node;
    const is = node ? (node instanceof Folder ? DIRECTORY : REGULAR) : CHARACTERS;
    const view = this.view();
    view.setBigUint64(at, BigInt(is), true);
    view.setUint16(at + 2, fd >= ROOT && this.of(fd).append ? APPEND : 0, true);
    // With every right: characters that may not be sought in would be a terminal.
    for (const rights of [8, 16]) view.setBigUint64(at + rights, ~0n, true);
  }

  /** @param {number} fd @param {number} flags */
  fd_fdstat_set_flags(fd, flags) {
    this.of(fd).append = (flags & APPEND) !== 0;
  }

  /** @param {number} fd @param {number} at */
  fd_filestat_get(fd, at) {
    this.stat(at, fd < ROOT ? undefined : this.of(fd).node);
  }

  /** @param {number} fd @param {bigint} size */
  fd_filestat_set_size(fd, size) {
    const file = this.file(fd);
    file.writable().resize(Number(size));
    file.changed = Date.now();
  }

  fd_filestat_set_times() {}

  path_filestat_set_times() {}

  fd_sync() {}

  fd_datasync() {}

  fd_advise() {}

  /** @param {number} fd @param {number} at */
  fd_prestat_get(fd, at) {
    if (fd !== ROOT) return BADF;
    const view = this.view();
    view.setUint32(at, 0, true);
    view.setUint32(at + 4, 1, true);
  }

  /** @param {number} fd @param {number} at */
  fd_prestat_dir_name(fd, at) {
    if (fd !== ROOT) return BADF;
    this.bytes(at, 1)[0] = 47; // the root, "/"
  }

  /** @param {number} fd @param {number} at @param {number} count @param {number} read */
  fd_read(fd, at, count, read) {
    let done = 0;
    if (fd === 0) {
      for (const [to, length] of this.vectors(at, count)) {
        const part = this.take(length);
        this.bytes(to, part.length).set(part);
        done += part.length;
      }
    } else {
      const open = this.of(fd);
      done = this.fill(this.file(fd), open.at, at, count);
      open.at += done;
    }
    this.view().setUint32(read, done, true);
  }

  /**
   * @param {number} fd @param {number} at @param {number} count @param {bigint} from
   * @param {number} read
   */
  fd_pread(fd, at, count, from, read) {
    const done = this.fill(this.file(fd), Number(from), at, count);
    this.view().setUint32(read, done, true);
  }

  /** @param {number} fd @param {number} at @param {number} count @param {number} written */
  fd_write(fd, at, count, written) {
    let done = 0;
    if (fd === 1 || fd === 2) {
      const out = fd === 1 ? this.streams.stdout : this.streams.stderr;
      for (const [from, length] of this.vectors(at, count)) {
        out(this.read(from, length).slice());
        done += length;
      }
    } else {
      const open = this.of(fd);
      const file = this.file(fd);
      if (open.append) open.at = file.size;
      done = this.store(file, open.at, at, count);
      open.at += done;
    }
    this.view().setUint32(written, done, true);
  }

  /**
   * @param {number} fd @param {number} at @param {number} count @param {bigint} to
   * @param {number} written
   */
  fd_pwrite(fd, at, count, to, written) {
    const done = this.store(this.file(fd), Number(to), at, count);
    this.view().setUint32(written, done, true);
  }

  /** @param {number} fd @param {bigint} by @param {number} whence @param {number} at */
  fd_seek(fd, by, whence, at) {
    const open = this.of(fd);
    const from = [0, open.at, this.file(fd).size][whence] ?? refuse(INVAL);
    const to = from + Number(by);
    if (to < 0) return INVAL;
    open.at = to;
    this.view().setBigUint64(at, BigInt(to), true);
  }

  /** @param {number} fd @param {number} at */
  fd_tell(fd, at) {
    this.view().setBigUint64(at, BigInt(this.of(fd).at), true);
  }

  /**
   * @param {number} fd @param {number} at @param {number} room @param {bigint} from
   * @param {number} used
   */
  fd_readdir(fd, at, room, from, used) {
    const open = this.of(fd);
    const folder = open.node;
    if (!(folder instanceof Folder)) return NOTDIR;
    if (from === 0n || !open.names) open.names = [".", "..", ...folder.entries.keys()];
    let done = 0;
    for (let i = Number(from); i < open.names.length && done < room; i += 1) {
      const name = new TextEncoder().encode(open.names[i]);
      const node = folder.entries.get(open.names[i]) ?? folder;
      const entry = new Uint8Array(24 + name.length);
      const view = new DataView(entry.buffer);
      view.setBigUint64(0, BigInt(i + 1), true);
      view.setBigUint64(8, BigInt(node.inode), true);
      view.setUint32(16, name.length, true);
      view.setUint32(20, node instanceof Folder ? DIRECTORY : REGULAR, true);
      entry.set(name, 24);
      const part = entry.subarray(0, room - done);
      this.bytes(at + done, part.length).set(part);
      done += part.length;
    }
    this.view().setUint32(used, done, true);
  }

  /**
   * @param {number} fd @param {number} _links @param {number} at @param {number} length
   * @param {number} how @param {bigint} _rights @param {bigint} _inherited
   * @param {number} flags @param {number} to
   */
  path_open(fd, _links, at, length, how, _rights, _inherited, flags, to) {
    const { folder, name, node: found } = this.find(fd, at, length);
    let node = found;
    if (node && how & CREATE && how & MUST_BE_NEW) return EXIST;
    if (!node) {
      if (!(how & CREATE)) return NOENT;
      node = new FileNode();
      folder.entries.set(name, node);
    } else if (how & MUST_BE_FOLDER && !(node instanceof Folder)) {
      return NOTDIR;
    } else if (how & EMPTY) {
      if (node instanceof Folder) return ISDIR;
      node.writable().resize(0);
      node.changed = Date.now();
    }
    const opened = this.start({ node, at: 0, append: (flags & APPEND) !== 0 });
    this.view().setUint32(to, opened, true);
  }

  /** @param {number} fd @param {number} _links @param {number} at @param {number} length @param {number} to */
  path_filestat_get(fd, _links, at, length, to) {
    this.stat(to, this.found(fd, at, length).node);
  }

  /** @param {number} fd @param {number} at @param {number} length */
  path_readlink(fd, at, length) {
    this.found(fd, at, length);
    return INVAL; // nothing here is a link
  }

  /** @param {number} fd @param {number} at @param {number} length */
  path_create_directory(fd, at, length) {
    const { folder, name, node } = this.find(fd, at, length);
    if (node) return EXIST;
    folder.entries.set(name, new Folder());
  }

  /** @param {number} fd @param {number} at @param {number} length */
  path_remove_directory(fd, at, length) {
    const { folder, name, node } = this.found(fd, at, length);
    if (!(node instanceof Folder)) return NOTDIR;
    if (node.entries.size > 0) return NOTEMPTY;
    folder.entries.delete(name);
  }

  /** @param {number} fd @param {number} at @param {number} length */
  path_unlink_file(fd, at, length) {
    const { folder, name, node } = this.found(fd, at, length);
    if (node instanceof Folder) return ISDIR;
    folder.entries.delete(name);
  }

  /**
   * @param {number} fd @param {number} at @param {number} length
   * @param {number} toFd @param {number} to @param {number} toLength
   */
  path_rename(fd, at, length, toFd, to, toLength) {
    const from = this.found(fd, at, length);
    const into = this.find(toFd, to, toLength);
    if (into.node instanceof Folder) return ISDIR;
    from.folder.entries.delete(from.name);
    into.folder.entries.set(into.name, from.node);
  }

  /**
   * A second name of a file.
   * @param {number} fd @param {number} _links @param {number} at @param {number} length
   * @param {number} toFd @param {number} to @param {number} toLength
   */
  path_link(fd, _links, at, length, toFd, to, toLength) {
    const from = this.found(fd, at, length);
    const into = this.find(toFd, to, toLength);
    if (into.node) return EXIST;
    into.folder.entries.set(into.name, from.node);
  }
}
