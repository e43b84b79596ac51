// @ts-check
// Where the program runs: beside the page, so that the page never waits, and the only
// place in which a browser lets files be read in parts while somebody waits for them.

import { together } from "./apart.js";
import { FileNode, Folder, ofBlob } from "./files.js";
import { lazy } from "./lazy.js";
import { run, TEMPORARY } from "./run.js";
import { unpack } from "./unpack.js";

/** @type {Folder} */
let root = fresh();
const program = compiled();

function fresh() {
  const folder = new Folder();
  folder.add(TEMPORARY, new Folder());
  return folder;
}

async function compiled() {
  const answer = await fetch(new URL("artcheck.lzma", import.meta.url));
  if (!answer.ok) throw new Error(`the program did not come: ${answer.status}`);
  const packed = new Uint8Array(await answer.arrayBuffer());
  return WebAssembly.compile(lazy(together(unpack(packed))));
}

/** @type {Record<string, (given: any) => any>} */
const jobs = {
  /** @param {{ files: { path: string, file: File }[] }} given */
  add({ files }) {
    for (const { path, file } of files) {
      root.add(path, new FileNode(ofBlob(file), file.lastModified));
    }
  },
  clear() {
    root = fresh();
  },
  ready() {},
  /** @param {{ args: string[], stdin?: string, out?: string }} given */
  async run({ args, stdin, out }) {
    const bytes = stdin === undefined ? undefined : new TextEncoder().encode(stdin);
    const done = run(await program, root, args, { stdin: bytes });
    const file = out ? root.take(out) : undefined;
    return {
      ...done,
      stdout: new TextDecoder().decode(done.stdout),
      out: file && new TextDecoder().decode(file.bytes.read(0, file.size)),
    };
  },
  /** The files that were written, as they are now. */
  written() {
    return [...root.written()]
      .filter(([path]) => !path.startsWith(`${TEMPORARY}/`))
      .map(([path, node]) => ({ path, blob: node.blob() }));
  },
};

/** The page asks from here on. */
addEventListener("message", async ({ data }) => {
  try {
    if (data.job === "ready") await program;
    postMessage({ id: data.id, done: await jobs[data.job](data) });
  } catch (error) {
    postMessage({ id: data.id, error: String(error) });
  }
});

postMessage({ id: 0 });
