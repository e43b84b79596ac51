// @ts-check
// The page: what is given goes to the program, and what it says is shown.

import { by, counted, download, fill, h } from "./dom.js";
import { chosen, dropped } from "./intake.js";
import { failure, showInside } from "./inside.js";
import { linkOf, reportOf } from "./link.js";
import { page } from "./markdown.js";
import { add, clear, ready, run } from "./program.js";
import { newestFirst, short, showReport } from "./report.js";

/** @typedef {import("./intake.js").Given} Given */

/** Where the program writes the report as text. */
const OUT = ".tmp/report.txt";
/** What the page holds; a test reads it too. */
export const state = {
  /** Paths that were given, from the root. @type {Set<string>} */
  files: new Set(),
  /** The runtime that was chosen; empty for every release. */
  runtime: "",
  /** Runtimes that there is a verdict on. @type {string[]} */
  runtimes: [],
  /** The last report, as the program wrote it. */
  json: "",
  /** How many reports were shown, and what the last one took: milliseconds from the choice
   *  of the files, bytes of large files that were read, and bytes of memory. */
  turn: 0,
  took: 0,
  read: 0,
  memory: 0,
};

/** @param {...import("./dom.js").Child} words */
function say(...words) {
  fill(by("status"), ...words);
}

/** Files come in: those before go, so that a report is about what was just given. @param {Given[]} given */
async function take(given) {
  if (given.length === 0) return;
  const started = performance.now();
  say(`Reading ${counted(given.length, "file")}…`);
  await clear();
  given = apart(given, new Set());
  await add(given);
  state.files = new Set(given.map(({ path }) => path));
  state.runtime = "";
  state.runtimes = [];
  history.replaceState(null, "", location.pathname + location.search);
  // What is shown of the files before is not of these, wherever the focus is.
  by("inside").hidden = true;
  await scan(started);
  if (!by("report").hidden) by("headline").focus();
}

/**
 * Files with a path of their own: those that share one get folders.
 * @param {Given[]} given @param {Set<string>} taken paths of other files
 */
function apart(given, taken) {
  return given.map(({ path, file }) => {
    let own = path;
    for (let times = 2; taken.has(own); times += 1) own = `${times}/${path}`;
    taken.add(own);
    return { path: own, file };
  });
}

/** Top-level names, which is what the command line would be given. */
function roots() {
  return [...new Set([...state.files].map((path) => path.split("/")[0]))];
}

async function scan(started = performance.now()) {
  const runtime = state.runtime ? ["--runtime", state.runtime] : [];
  const args = ["scan", "--format", "json", "-o", `human=/${OUT}`, ...runtime, "--", ...roots()];
  const { status, stdout, stderr, out, read, memory } = await run(args, { out: OUT });
  if (!stdout.startsWith("{")) {
    say(failure(stderr || `The program ended with status ${status}.`));
    by("report").hidden = by("inside").hidden = true;
    return;
  }
  state.json = stdout;
  await show(out, true);
  Object.assign(state, { turn: state.turn + 1, took: performance.now() - started, read, memory });
  say(`Read in ${Math.round(state.took)} ms.`);
}

/**
 * Shows the report.
 * @param {string | undefined} text as the command line prints it
 * @param {boolean} here whether its files are here
 */
async function show(text, here) {
  /** @type {import("./report.js").Report} */
  const report = JSON.parse(state.json);
  if (!state.runtime) state.runtimes = newestFirst(report.verdicts.map((one) => one.runtime));
  const given = {
    report,
    files: [...state.files],
    rescan: async () => {
      await scan();
    },
    add: another,
  };
  const inside = (/** @type {string | undefined} */ path) => {
    showInside(by("inside"), given, path);
    if (path) by("inside-title").focus();
  };
  showReport(by("report"), report, { text, explain, show: here ? inside : undefined, actions: actions(here) });
  if (!here) by("inside").hidden = true;
  else if (by("inside").hidden || !by("inside").contains(document.activeElement)) inside(undefined);
}

/** @param {boolean} here */
function actions(here) {
  const releases = state.runtimes.filter((name) => !state.files.has(name));
  const select = h(
    "select",
    { id: "runtime", onchange: async (event) => {
      state.runtime = event.target.value;
      await scan();
      by("runtime").focus();
    } },
    h("option", { value: "" }, "every release, or what is beside it"),
    ...releases.map((name) => h("option", { value: name, selected: name === state.runtime }, /^tvm-\d/.test(name) ? `TVM ${short(name)}` : name)),
  );
  const copy = h("button", { type: "button", onclick: async () => {
    const link = await linkOf(state.json);
    await navigator.clipboard.writeText(link);
    say(`The link is copied: ${link.length.toLocaleString("en")} characters. It holds the report, and nothing of the file itself.`);
  } }, "Copy a link to this report");
  return [
    ...(here && releases.length > 0 ? [h("span", { class: "field" }, h("label", { for: "runtime" }, "Against"), select)] : []),
    copy,
    download("artcheck.json", new Blob([state.json], { type: "application/json" }), "Save as JSON"),
  ];
}

/** One more file, to compare with. @returns {Promise<string | undefined>} */
function another() {
  return new Promise((resolve) => {
    const input = h("input", { type: "file", onchange: async () => {
      const given = apart(chosen(input.files), state.files);
      await add(given);
      resolve(given[0]?.path);
    }, oncancel: () => resolve(undefined) });
    input.click();
  });
}

/** A rule's page. @param {string} code */
async function explain(code) {
  const { stdout, stderr } = await run(["explain", code]);
  fill(by("page-text"), ...page(stdout || stderr, "page-title"));
  const dialog = /** @type {HTMLDialogElement} */ (by("page"));
  dialog.showModal();
  dialog.scrollTop = 0;
}

/** What an error means. @param {string} error */
async function lookUp(error) {
  fill(by("explained"), h("p", { class: "quiet" }, "Looking…"));
  const { stdout, stderr } = await run(["explain", "-"], { stdin: error });
  const codes = [...new Set((stdout + stderr).match(/\bAC\d{3}\b/g) ?? [])];
  const pages = codes.map((code) => h("button", { type: "button", onclick: () => explain(code) }, `What ${code} means`));
  fill(by("explained"), h("pre", { tabindex: 0 }, (stdout || stderr).trim()), h("p", { class: "buttons" }, ...pages));
}

/** Runs what may fail, and says so. @param {() => Promise<void>} work */
async function tried(work) {
  document.body.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    say(failure(error instanceof Error ? error.message : String(error)));
  }
  document.body.removeAttribute("aria-busy");
}

function listen() {
  const files = /** @type {HTMLInputElement} */ (by("files"));
  const folder = /** @type {HTMLInputElement} */ (by("folder"));
  by("pick-files").addEventListener("click", () => files.click());
  by("pick-folder").addEventListener("click", () => folder.click());
  for (const input of [files, folder]) {
    input.addEventListener("change", () => tried(async () => {
      await take(chosen(input.files));
      input.value = "";
    }));
  }
  // The whole page takes files.
  let over = 0;
  const mark = (/** @type {number} */ by_) => {
    over = Math.max(0, over + by_);
    by("drop").classList.toggle("over", over > 0);
  };
  addEventListener("dragenter", () => mark(1));
  addEventListener("dragleave", () => mark(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-over);
    const transfer = /** @type {DragEvent} */ (event).dataTransfer;
    if (transfer) tried(async () => take(await dropped(transfer)));
  });
  by("explain-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const error = /** @type {HTMLTextAreaElement} */ (by("error")).value;
    if (error.trim()) tried(() => lookUp(error));
  });
  addEventListener("hashchange", () => tried(linked));
}

/** A report that came in the address. */
async function linked() {
  try {
    const json = await reportOf(location.hash);
    if (json === undefined) return;
    state.json = json;
    state.runtime = "";
    await show(undefined, false);
  } catch {
    return say(failure("The report in this link cannot be read: a part of the link is missing, or it was changed."));
  }
  say("This report came in the link. The files it is about are not here.");
}

/** The browser translates what runs, when it first runs: a small library saves the first
 *  file that somebody gives most of that. */
async function prepare() {
  const answer = await fetch("first.so");
  const file = new File([await answer.blob()], "first.so");
  const path = `${OUT.split("/")[0]}/first.so`;
  await add([{ path, file }]);
  await run(["scan", "--format", "json", "-o", `human=/${OUT}`, "--", path], { out: OUT });
}

listen();
tried(async () => {
  await linked();
  await ready();
  const { stdout } = await run(["--version"]);
  await prepare();
  fill(by("version"), stdout.trim());
  document.documentElement.dataset.ready = "true";
  if ("serviceWorker" in navigator) await navigator.serviceWorker.register("sw.js");
});
