// @ts-check
// The page's side of the worker: one question, one answer.

/** @typedef {{ status: number, stdout: string, stderr: string, out?: string, read: number, memory: number }} Done */

/** @type {Map<number, { resolve: (done: any) => void, reject: (error: Error) => void }>} */
const waiting = new Map();
let asked = 0;
const worker = started();

/**
 * A worker from an address would be free of the page's Content-Security-Policy; one from
 * the page's own text has the same.
 */
function started() {
  const from = new URL("worker.js", import.meta.url);
  const text = new Blob([`import ${JSON.stringify(from.href)};`], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(text), { type: "module" });
  worker.addEventListener("message", ({ data }) => {
    const one = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error) one?.reject(new Error(data.error));
    else one?.resolve(data.done);
  });
  worker.addEventListener("error", (event) => {
    for (const one of waiting.values()) one.reject(new Error(event.message || "the program did not start"));
    waiting.clear();
  });
  return worker;
}

/** @param {string} job @param {object} given @returns {Promise<any>} */
function ask(job, given = {}) {
  const id = (asked += 1);
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ ...given, id, job });
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
