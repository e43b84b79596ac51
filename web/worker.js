// @ts-check
// Where the program runs: beside the page, so that the page never waits, and the only
// place in which a browser lets files be read in parts while somebody waits for them.

import { FileNode, Folder, ofBlob } from "./files.js";
import { run } from "./run.js";

/** @type {Folder} */
let root = fresh();
const program = compiled();

function fresh() {
  const folder = new Folder();
  folder.add("tmp", new Folder());
  return folder;
}

/**
 * The program. It is stored compressed, because not every server compresses it.
 */
async function compiled() {
  const answer = await fetch(new URL("artcheck.wasm.gz", import.meta.url));
  if (!answer.ok || !answer.body) throw new Error(`the program did not come: ${answer.status}`);
  const [first, whole] = answer.body.tee();
  const head = (await first.getReader().read()).value;
  // A server that declares the compression has it undone by the browser.
  const packed = head?.[0] === 0x1f && head[1] === 0x8b;
  const stream = packed ? whole.pipeThrough(new DecompressionStream("gzip")) : whole;
  const headers = { "content-type": "application/wasm" };
  return WebAssembly.compileStreaming(new Response(stream, { headers }));
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
      .filter(([path]) => !path.startsWith("tmp/"))
      .map(([path, node]) => ({ path, blob: node.blob() }));
  },
};

addEventListener("message", async ({ data }) => {
  try {
    if (data.job === "ready") await program;
    postMessage({ id: data.id, done: await jobs[data.job](data) });
  } catch (error) {
    postMessage({ id: data.id, error: String(error) });
  }
});
