// @ts-check
// The rules' pages: the few forms of Markdown that they use, as elements.

import { h } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */

/** @param {string} text @param {string} [id] of the first heading */
export function page(text, id) {
  const lines = text.split("\n");
  /** @type {Node[]} */
  const out = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    /** @param {(line: string) => boolean} goesOn */
    const block = (goesOn) => {
      const start = at;
      at += 1;
      while (at < lines.length && goesOn(lines[at])) at += 1;
      return lines.slice(start, at);
    };
    if (line.startsWith("#")) {
      const heading = line.replace(/^#+ /, "");
      const first = !out.some((node) => node instanceof HTMLHeadingElement);
      out.push(h(line.startsWith("##") ? "h3" : "h2", first && id ? { id } : null, ...words(heading)));
      at += 1;
    } else if (line.startsWith("```")) {
      const code = block((next) => !next.startsWith("```")).slice(1);
      at += 1;
      out.push(h("pre", { tabindex: 0 }, code.join("\n")));
    } else if (line.startsWith("|")) {
      out.push(table(block((next) => next.startsWith("|"))));
    } else if (/^\s*- /.test(line)) {
      const items = block((next) => /^\s*- |^ {2,}\S/.test(next));
      out.push(list(items));
    } else if (line.trim() === "") {
      at += 1;
    } else {
      const text = block((next) => next.trim() !== "" && !/^(#|```|\||\s*- )/.test(next));
      out.push(h("p", null, ...words(text.join(" "))));
    }
  }
  return out;
}

/** @param {string[]} lines */
function list(lines) {
  /** @type {string[]} */
  const items = [];
  for (const line of lines) {
    if (/^\s*- /.test(line)) items.push(line.replace(/^\s*- /, ""));
    else items.push(`${items.pop() ?? ""} ${line.trim()}`);
  }
  return h("ul", null, ...items.map((item) => h("li", null, ...words(item))));
}

/** @param {string[]} lines */
function table(lines) {
  const rows = lines
    .filter((line) => !/^\|[-| :]+\|$/.test(line))
    .map((line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim()));
  const [head, ...body] = rows;
  const th = head.map((cell) => h("th", { scope: "col" }, ...words(cell)));
  const tr = body.map((row) => h("tr", null, ...row.map((cell) => h("td", null, ...words(cell)))));
  const whole = h("table", null, h("thead", null, h("tr", null, ...th)), h("tbody", null, ...tr));
  return h("div", { class: "wide", tabindex: 0, role: "group", "aria-label": "Table" }, whole);
}

/** @param {string} text @returns {Child[]} */
function words(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`") && part.length > 1) return h("code", null, part.slice(1, -1));
    if (part.startsWith("**") && part.length > 4) return h("strong", null, part.slice(2, -2));
    return part;
  });
}
