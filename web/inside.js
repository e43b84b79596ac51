// @ts-check
// One file from the inside: contents, disassembly, metadata, symbols, a comparison, and
// repairs. Each view is a command of the program.

import { counted, fill, h } from "./dom.js";
import { disassembly } from "./listing.js";
import { repairs } from "./repair.js";
import { run } from "./program.js";
import { named } from "./report.js";

/**
 * @typedef {import("./report.js").Report} Report
 * @typedef {import("./report.js").Artifact} Artifact
 * @typedef {import("./report.js").Library} Library
 * @typedef {{ report: Report, files: string[], rescan: () => Promise<void>, add: () => Promise<string | undefined> }} Given
 * @typedef {{ into: HTMLElement, file: string, artifact: Artifact | undefined, given: Given }} View
 */

/** @type {Record<string, (view: View) => Promise<void> | void>} */
const VIEWS = {
  Contents: contents,
  Disassembly: async ({ into, file }) => {
    fill(into, ...answer(await run(["dump", "--asm", named(file)]), disassembly));
  },
  Metadata: ({ into, file }) => text(into, ["dump", "--metadata", named(file)]),
  Symbols: ({ into, file }) => text(into, ["dump", "--symbols", named(file)]),
  Compare: compare,
  Fix: ({ into, file, artifact, given }) => repairs(into, file, artifact, given),
};

let chosen = "Contents";

/**
 * @param {HTMLElement} into @param {Given} given @param {string} [path]
 */
export function showInside(into, given, path) {
  const { report } = given;
  const of = (/** @type {Artifact} */ one) => one.file ?? one.path;
  const worth = report.artifacts.filter((one) => one.role !== "unrelated");
  const files = [...new Set(worth.map(of))];
  into.hidden = files.length === 0;
  if (files.length === 0) return;
  const artifact = worth.find((one) => one.path === path) ?? worth.find((one) => one.role === "model-library") ?? worth[0];
  let file = of(artifact);
  const panel = h("div", { id: "panel", role: "tabpanel", tabindex: 0, "aria-labelledby": `tab-${chosen}` });
  const names = Object.keys(VIEWS);
  const tabs = names.map((name) =>
    h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel", onclick: () => show(name), onkeydown: (event) => move(event, name) }, name),
  );
  /** @param {KeyboardEvent} event @param {string} name */
  const move = (event, name) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = (names.indexOf(name) + by + names.length) % names.length;
    show(names[next]);
    tabs[next].focus();
  };
  let turn = 0;
  /** @param {string} name */
  const show = async (name) => {
    chosen = name;
    for (const [i, tab] of tabs.entries()) {
      tab.setAttribute("aria-selected", String(names[i] === name));
      tab.tabIndex = names[i] === name ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `tab-${name}`);
    // An answer that comes after another view was asked for is not shown.
    const mine = (turn += 1);
    const view = h("div", null, h("p", { class: "quiet" }, "Reading…"));
    fill(panel, view);
    try {
      await VIEWS[name]({ into: view, file, artifact: worth.find((one) => of(one) === file), given });
    } catch (error) {
      if (mine === turn) fill(view, failure(String(error)));
    }
  };
  const select = h(
    "select",
    { id: "which", onchange: (event) => { file = event.target.value; show(chosen); } },
    ...files.map((name) => h("option", { value: name, selected: name === file }, name)),
  );
  fill(
    into,
    h("h2", { id: "inside-title", tabindex: -1 }, "Look inside"),
    files.length > 1 ? h("p", { class: "field" }, h("label", { for: "which" }, "File"), select) : h("p", { class: "quiet" }, file),
    h("div", { class: "tabs", role: "tablist", "aria-label": "Views of the file" }, ...tabs),
    panel,
  );
  show(chosen);
}

/** @param {string} stderr */
export function failure(stderr) {
  return h("p", { class: "note bad" }, stderr.replace(/^artcheck: /, "").trim() || "It did not work.");
}

/** What a command prints. @param {HTMLElement} into @param {string[]} args */
async function text(into, args) {
  fill(into, ...answer(await run(args), plain));
}

const plain = (/** @type {string} */ text) => h("pre", { tabindex: 0 }, text);

/**
 * What a command printed, and why it is not all.
 * @param {import("./program.js").Done} done @param {(text: string) => Node} shown
 */
function answer({ status, stdout, stderr }, shown) {
  const words = stdout.trim() ? shown(stdout) : status === 0 && h("p", null, "There is none.");
  return [words, status !== 0 && (stderr || !words) && failure(stderr)];
}

/** @param {View} view */
async function contents({ into, file, artifact }) {
  const done = await run(["dump", named(file)]);
  const libraries = (artifact?.libraries ?? []).map(library);
  const all = (/** @type {string} */ text) => h("details", null, h("summary", null, "All that was read"), plain(text));
  fill(into, artifact?.about && h("p", null, `${artifact.about}.`), ...libraries, ...answer(done, all));
}

/** @param {Library} library */
function library(library) {
  const tree = (library.tree ?? []).map((node) => {
    const facts = [`${node.size.toLocaleString("en")} bytes`];
    if (node.code_format) facts.unshift(node.code_format);
    if (node.kernels) facts.push(counted(node.kernels, "kernel"));
    return h("li", { class: `depth-${Math.min(node.depth, 6)}` }, h("code", null, node.kind), h("span", { class: "quiet" }, ` ${facts.join(", ")}`));
  });
  const requires = library.requires ?? [];
  return h(
    "div",
    null,
    h("p", null, `Built by ${library.epoch}.`, library.model_type ? ` Model type ${library.model_type}.` : null, library.prefix ? ` Prefix ${library.prefix}.` : null),
    h("h3", null, "Modules"),
    h("ul", { class: "tree" }, ...tree),
    requires.length > 0 && h("details", null, h("summary", null, `${counted(requires.length, "function")} that the runtime or the application must register`), names(requires)),
    library.slots.length > 0 && h("details", null, h("summary", null, counted(library.slots.length, "context slot")), names(library.slots)),
  );
}

/** @param {string[]} all */
function names(all) {
  return h("ul", { class: "names" }, ...all.map((name) => h("li", null, h("code", null, name))));
}

/** @param {View} view */
function compare({ into, file, given }) {
  const others = given.files.filter((name) => name !== file);
  const answer = h("div", { "aria-live": "polite" });
  const select = h("select", { id: "other" }, ...others.map((name) => h("option", { value: name }, name)));
  /** @param {string} other */
  const show = async (other) => {
    fill(answer, h("p", { class: "quiet" }, "Comparing…"));
    const { status, stdout, stderr } = await run(["diff", named(file), named(other)]);
    fill(answer, status === 2 ? failure(stderr) : difference(stdout));
  };
  const add = h("button", { type: "button", onclick: async () => {
    const name = await given.add();
    if (!name) return;
    if (![...select.options].some((option) => option.value === name)) select.append(h("option", { value: name }, name));
    select.value = name;
    field.hidden = false;
    show(name);
  } }, "Choose another file");
  const field = h("p", { class: "field" }, h("label", { for: "other" }, "Compare with"), select, h("button", { type: "button", onclick: () => show(select.value) }, "Compare"));
  field.hidden = others.length === 0;
  fill(into, h("p", null, "What a runtime sees differently in another file."), field, h("p", { class: "buttons" }, add), answer);
}

/** Lines, those that are gone and those that are new marked. @param {string} text */
function difference(text) {
  const lines = text.split("\n").map((line) => {
    const sign = /^ {2}([-+])/.exec(line)?.[1];
    const element = sign === "+" ? "ins" : sign === "-" ? "del" : "span";
    return h(element, null, `${line}\n`);
  });
  return h("pre", { class: "difference", tabindex: 0 }, ...lines);
}
