// @ts-check
// A disassembly: all of it a piece at a time, and the lines that hold some words.

import { counted, fill, h } from "./dom.js";

/** Lines that are put on the page at once. */
const PIECE = 2000;
/** Lines found that are shown. */
const MOST = 500;

/** @param {string} text */
export function disassembly(text) {
  const lines = text.split("\n");
  const functions = lines.flatMap((line, at) => (line.startsWith("@") ? [{ at, name: line.replace(/:$/, "") }] : []));
  const listing = h("pre", { class: "listing", tabindex: 0, "aria-label": "Disassembly" });
  const more = h("button", { type: "button", onclick: () => add() }, "Show more");
  const said = h("p", { class: "quiet", role: "status" });
  let shown = 0;
  let start = 0;

  const add = () => {
    const piece = lines.slice(shown, shown + PIECE);
    listing.append(...piece.map((line, i) => numbered(shown + i, line)));
    shown += piece.length;
    more.hidden = shown >= lines.length;
  };
  /** @param {number} at */
  const from = (at) => {
    start = Math.max(0, at - 3);
    shown = start;
    fill(listing);
    add();
    if (start < at) listing.children[at - start]?.classList.add("met");
    listing.scrollTop = 0;
  };
  /** @param {string} words */
  const search = (words) => {
    if (words === "") {
      from(0);
      fill(said, `${lines.length.toLocaleString("en")} lines, ${counted(functions.length, "function")}`);
      return;
    }
    const wanted = words.toLowerCase();
    /** @type {Node[]} */
    const found = [];
    let count = 0;
    let heading = "";
    let told = "";
    for (const [at, line] of lines.entries()) {
      if (line.startsWith("@")) heading = line;
      const where = line.toLowerCase().indexOf(wanted);
      if (where < 0) continue;
      count += 1;
      if (count > MOST) continue;
      if (heading !== told && heading !== line) found.push(h("span", { class: "line quiet" }, `${heading}\n`));
      told = heading;
      const parts = [line.slice(0, where), h("mark", null, line.slice(where, where + words.length)), line.slice(where + words.length)];
      found.push(h("button", { type: "button", class: "line", title: "Show this place", onclick: () => { from(at); listing.focus(); } }, h("span", { class: "number" }, at + 1), ...parts));
    }
    fill(listing, ...found);
    more.hidden = true;
    fill(said, counted(count, "line"), count > MOST && `, the first ${MOST} are shown`);
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pause;
  const field = h("input", { type: "search", id: "search", spellcheck: "false", autocomplete: "off", oninput: (event) => {
    clearTimeout(pause);
    pause = setTimeout(() => search(event.target.value.trim()), 120);
  } });
  const jump = h(
    "select",
    { id: "function", onchange: (event) => from(Number(event.target.value)) },
    ...functions.map(({ at, name }) => h("option", { value: at }, name)),
  );
  search("");
  return h(
    "div",
    null,
    h("p", { class: "field" }, h("label", { for: "search" }, "Search"), field, h("label", { for: "function" }, "Function"), jump),
    said,
    listing,
    h("p", { class: "buttons" }, more),
  );
}

/** @param {number} at @param {string} line */
function numbered(at, line) {
  return h("span", { class: line.startsWith("@") ? "line heading" : "line" }, h("span", { class: "number" }, at + 1), line, "\n");
}
