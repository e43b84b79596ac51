// @ts-check
// The page's side of the worker: one question, one answer.

/** @typedef {{ status: number, stdout: string, stderr: string, out?: string, read: number, memory: number }} Done */

/** @type {Map<number, { resolve: (done: any) => void, reject: (error: Error) => void }>} */
const waiting = new Map();
let asked = 0;
/** Whether the worker has the program's script, and hears what it is asked. @type {Promise<void>} */
let loaded;
const worker = started();

/**
 * A worker from an address would be free of the page's Content-Security-Policy; one from
 * the page's own text has the same. It imports when it runs: what a worker imports before
 * that, Firefox does not take from what the page keeps for use without a network.
 */
function started() {
  const from = new URL("worker.js", import.meta.url);
  const script = `import(${JSON.stringify(from.href)}).catch((error) => postMessage({ id: 0, error: String(error) }));`;
  const text = new Blob([script], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(text), { type: "module" });
  const failed = (/** @type {string} */ why) => {
    for (const one of waiting.values()) one.reject(new Error(why || "the program did not start"));
    waiting.clear();
  };
  loaded = new Promise((resolve) => {
    worker.addEventListener("message", () => resolve(), { once: true });
  });
  worker.addEventListener("message", ({ data }) => {
    if (data.id === 0) return data.error && failed(data.error);
    const one = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) one?.reject(new Error(data.error));
    else one?.resolve(data.done);
  });
  worker.addEventListener("error", (event) => failed(event.message));
  return worker;
}

/** @param {string} job @param {object} given @returns {Promise<any>} */
function ask(job, given = {}) {
  const id = (asked += 1);
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    loaded.then(() => worker.postMessage({ ...given, id, job }));
  });
}

/** Whether the program is there. */
export const ready = () => ask("ready");

/** @param {{ path: string, file: File }[]} files */
export const add = (files) => ask("add", { files });

export const clear = () => ask("clear");

/**
 * Runs a command. `out` is a file that it writes, whose text is given back.
 * @param {string[]} args @param {{ stdin?: string, out?: string }} [given]
 * @returns {Promise<Done>}
 */
export const run = (args, given = {}) => ask("run", { args, ...given });

/** @returns {Promise<{ path: string, blob: Blob }[]>} */
export const written = () => ask("written");
