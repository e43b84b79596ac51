// @ts-check
// A report: the verdicts as a picture, then what is wrong and how to fix it, in the
// order and words of the command line.

import { counted, fill, h, withCode } from "./dom.js";

/**
 * What of the JSON report is used here (docs/schema/json-v1.schema.json).
 * @typedef {{ artifact: string, prefix?: string, runtime: string, source: string, status: string, rules: string[], undecided?: { rule: string, why: string }[] }} Verdict
 * @typedef {{ symbol?: string, offset?: number, function?: string, instruction?: number, argument?: number, constant?: number }} Location
 * @typedef {{ rule: string, name: string, severity: "error" | "warning" | "info", artifact: string, file?: string, runtime?: string, locations: Location[], message: string, evidence: string[], runtime_says?: string, help: string, repairs: string[] }} Finding
 * @typedef {{ kind: string, depth: number, size: number, code_format?: string, kernels?: number }} TreeNode
 * @typedef {{ prefix: string | null, epoch: string, modules: string[], slots: string[], tree?: TreeNode[], requires?: string[], model_type?: string }} Library
 * @typedef {{ path: string, file?: string, size: number, role: string, about?: string, format?: string, libraries: Library[], problems: { kind: string, detail: string }[] }} Artifact
 * @typedef {{ tool: { version: string }, summary: { artifacts: number, errors: number, warnings: number, infos: number, undecided: boolean }, artifacts: Artifact[], verdicts: Verdict[], findings: Finding[] }} Report
 */

/** Rows and findings that are shown; the others are counted. */
const MOST = 300;
/** Places and facts that are shown without being asked for. */
const FEW = 2;

/**
 * @param {HTMLElement} into @param {Report} report
 * @param {{ text?: string, explain: (code: string) => void, show?: (path: string) => void, actions: Node[] }} page
 */
export function showReport(into, report, page) {
  const { state, headline, detail } = judged(report);
  fill(
    into,
    h(
      "div",
      { class: `headline ${state}` },
      h("span", { class: "sign", "aria-hidden": "true" }, { good: "✓", bad: "✕", caution: "?" }[state]),
      h("div", null, h("h2", { id: "headline", tabindex: -1 }, headline), h("p", null, detail)),
    ),
    h("div", { class: "actions" }, ...page.actions),
    picture(report, page),
    ...findings(report, page),
    page.text && h("details", null, h("summary", null, "As on the command line"), h("pre", { tabindex: 0 }, page.text)),
  );
  into.hidden = false;
  document.body.classList.add("reported");
}

/** @param {Report} report @returns {{ state: "good" | "bad" | "caution", headline: string, detail: string }} */
function judged(report) {
  const { artifacts, errors, warnings, undecided } = report.summary;
  const libraries = report.artifacts.filter((one) => one.role === "model-library").length;
  const counts = [
    `${counted(artifacts, "file")} read`,
    artifacts > 1 && (libraries === 1 ? "1 model library" : `${libraries} model libraries`),
    counted(errors, "error"),
    counted(warnings, "warning"),
  ];
  const detail = `${counts.filter(Boolean).join(", ")}.`;
  const concerns = report.artifacts.some((one) => one.role !== "unrelated" || one.problems.length > 0);
  const fit = libraries === 1 ? fitOf(report.verdicts) : undefined;
  if (!concerns) return { state: "caution", headline: "Nothing here has to do with TVM", detail };
  if (errors) return { state: "bad", headline: fit?.breaks ?? counted(errors, "error"), detail };
  if (undecided) return { state: "caution", headline: "Undecided: something could not be read, or is not known", detail };
  return { state: "good", headline: fit?.fits ?? "No errors", detail };
}

/** Which runtimes a single library fits, in words. @param {Verdict[]} verdicts */
function fitOf(verdicts) {
  const names = (/** @type {string} */ status) => newestFirst(verdicts.filter((one) => one.status === status).map((one) => one.runtime));
  const [fits, breaks] = [names("fits"), names("breaks")];
  const releases = verdicts.every((one) => RELEASE.test(one.runtime));
  const tvm = releases ? "TVM " : "";
  if (verdicts.length === 0) return undefined;
  if (fits.length === 0 && breaks.length === verdicts.length) {
    const known = breaks.length > 1 && releases;
    return { breaks: known ? "It fits no known release of TVM" : `It breaks on ${tvm}${short(breaks[0])}` };
  }
  if (fits.length === 0) return undefined;
  const all = newestFirst(verdicts.map((one) => one.runtime));
  const first = all.indexOf(fits[0]);
  const inARow = fits.every((name, i) => all[first + i] === name);
  const range = releases && fits.length > 2 && inARow;
  const words = range ? `${short(fits[fits.length - 1])} to ${short(fits[0])}` : fits.map(short).join(", ");
  return { fits: `It fits ${tvm}${words}` };
}

const RELEASE = /^tvm-(\d+)\.(\d+)/;

/** @param {string} runtime */
export function short(runtime) {
  if (RELEASE.test(runtime)) return runtime.slice(4);
  const parts = runtime.split("/").filter((part) => part && !["lib", "tvm", "tvm_ffi", "site-packages"].includes(part));
  return parts[parts.length - 1] ?? runtime;
}

/** Names of runtimes, releases last and from the newest on. @param {string[]} names */
export function newestFirst(names) {
  const place = (/** @type {string} */ name) => {
    const release = RELEASE.exec(name);
    return release ? Number(release[1]) * 1000 + Number(release[2]) : Infinity;
  };
  const all = [...new Set(names)];
  return all.sort((a, b) => (place(a) === place(b) ? 0 : place(b) - place(a)));
}

/** @param {Verdict | undefined} verdict */
function mark(verdict) {
  if (!verdict) return { state: "none", sign: "–", words: "not checked", code: "" };
  if (verdict.status === "fits") return { state: "good", sign: "✓", words: "fits", code: "" };
  if (verdict.status === "breaks") {
    const code = verdict.rules[0] ?? "";
    return { state: "bad", sign: "✕", words: `breaks by ${verdict.rules.join(", ")}`, code };
  }
  const rules = (verdict.undecided ?? []).map((one) => one.rule);
  return { state: "caution", sign: "?", words: `undecided: ${rules.join(", ")}`, code: rules[0] ?? "" };
}

/**
 * The verdicts: libraries down, runtimes across, the newest release first. Neighbours
 * that say the same in every row are one column.
 * @param {Report} report @param {{ explain: (code: string) => void, show?: (path: string) => void }} page
 */
function picture(report, page) {
  /** @type {Map<string, { path: string, of: Map<string, Verdict> }>} */
  const rows = new Map();
  for (const verdict of report.verdicts) {
    const name = verdict.prefix ? `${verdict.artifact} [${verdict.prefix}]` : verdict.artifact;
    let row = rows.get(name);
    if (!row) rows.set(name, (row = { path: verdict.artifact, of: new Map() }));
    row.of.set(verdict.runtime === verdict.artifact ? "the runtime built into it" : verdict.runtime, verdict);
  }
  if (rows.size === 0) return null;
  const checked = new Set(report.verdicts.map((one) => one.artifact));
  for (const { path, role } of report.artifacts) {
    if (role === "model-library" && !checked.has(path)) rows.set(path, { path, of: new Map() });
  }
  const names = newestFirst([...rows.values()].flatMap((row) => [...row.of.keys()]));
  const shown = [...rows].slice(0, MOST);
  /** @type {string[][]} */
  const bands = [];
  for (const name of names) {
    const last = bands[bands.length - 1];
    const alike = last && shown.every(([, row]) => {
      const [a, b] = [mark(row.of.get(last[0])), mark(row.of.get(name))];
      return a.state === b.state && a.code === b.code;
    });
    if (alike && RELEASE.test(name) && RELEASE.test(last[0])) last.push(name);
    else bands.push([name]);
  }
  const head = bands.map((band) => {
    const [first, last] = [short(band[0]), short(band[band.length - 1])];
    return h("th", { scope: "col", title: band.join(", ") }, first, band.length > 1 && h("span", { class: "to" }, ` – ${last}`));
  });
  const body = shown.map(([name, row]) => {
    const cells = bands.map((band) => {
      const { state, sign, words, code } = mark(row.of.get(band[0]));
      const inside = code
        ? h("button", { type: "button", class: "code", title: words, onclick: () => page.explain(code) }, h("span", { "aria-hidden": "true" }, `${sign} `), h("span", { class: "sr" }, `${state === "bad" ? "breaks by" : "undecided by"} `), code)
        : h("span", { title: words }, h("span", { "aria-hidden": "true" }, sign), h("span", { class: "sr" }, words));
      return h("td", { class: state }, inside);
    });
    const show = page.show;
    const label = show
      ? h("button", { type: "button", class: "link", title: name, onclick: () => show(row.path) }, tail(name))
      : h("span", { title: name }, tail(name));
    return h("tr", null, h("th", { scope: "row" }, label), ...cells);
  });
  const left = rows.size - shown.length;
  return h(
    "figure",
    { class: "picture" },
    h(
      "div",
      { class: "wide", tabindex: 0, role: "group", "aria-label": "Verdicts by release" },
      h(
        "table",
        null,
        h("caption", { class: "sr" }, "Which library runs on which runtime, the newest release first"),
        h("thead", null, h("tr", null, h("th", { scope: "col" }, names.every((name) => RELEASE.test(name)) ? "on\u00a0TVM" : "on"), ...head)),
        h("tbody", null, ...body),
      ),
    ),
    h("figcaption", { class: "quiet" }, "✓ fits, ✕ breaks (with the first rule that it violates), ? undecided, – not checked", left > 0 && `; ${left} more are in the JSON report`),
  );
}

/** The end of a path, which tells it apart. @param {string} path */
function tail(path) {
  return path.split("/").pop() ?? path;
}

/**
 * Findings; equal ones are told once, for all files and runtimes that have them.
 * @param {Report} report @param {{ explain: (code: string) => void }} page
 */
function findings(report, page) {
  /** @type {Map<string, Finding[]>} */
  const groups = new Map();
  for (const finding of report.findings) {
    const key = [finding.severity, finding.rule, finding.message, finding.help, finding.runtime_says].join("\n");
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  const order = { error: 0, warning: 1, info: 2 };
  const all = [...groups.values()].sort((a, b) => order[a[0].severity] - order[b[0].severity]);
  const cards = all.slice(0, MOST).map((group) => card(group, page));
  const left = all.length - cards.length;
  return [...cards, left > 0 && h("p", null, `${left} more are in the JSON report.`)];
}

/** @param {Finding[]} group @param {{ explain: (code: string) => void }} page */
function card(group, page) {
  const [first] = group;
  const runtimes = newestFirst(group.flatMap((one) => one.runtime ?? []));
  const files = [...new Set(group.map((one) => one.artifact))];
  const word = first.severity === "info" ? "note" : first.severity;
  const state = { error: "bad", warning: "caution", info: "plain" }[first.severity];
  const runtime = runtimes.length === 1 && RELEASE.test(runtimes[0]) ? `TVM ${short(runtimes[0])}` : "this runtime";
  const quoted = files.length === 1 ? quote(named(first.file ?? files[0])) : "FILE";
  const rows = [
    row("in", files.slice(0, 20), files.length - 20),
    row("on", runtimes.length ? [on(runtimes)] : []),
    row("where", first.locations.map(place)),
    row("evidence", first.evidence),
    row("runtime error", first.runtime_says ? [first.runtime_says] : [], 0, true),
    row("fix", [first.help.replaceAll("FILE", quoted)]),
  ];
  return h(
    "article",
    { class: `finding ${state}` },
    h(
      "h3",
      null,
      h("span", { class: "badge" }, word),
      " ",
      h("button", { type: "button", class: "code", "aria-label": `What ${first.rule} means`, onclick: () => page.explain(first.rule) }, first.rule),
      " ",
      ...withCode(first.message.replaceAll("this runtime", runtime)),
    ),
    h("dl", null, ...rows.flat()),
  );
}

/**
 * @param {string} label @param {string[]} all @param {number} [left] @param {boolean} [code]
 * @returns {Node[]}
 */
function row(label, all, left = 0, code = false) {
  all = all.filter((text) => text !== "");
  const line = (/** @type {string} */ text) => h("div", null, ...(code ? [h("code", null, text)] : withCode(text)));
  if (all.length === 0) return [];
  const few = all.slice(0, FEW).map(line);
  const more = all.slice(FEW);
  const rest = more.length > 0 && h("details", { class: "more" }, h("summary", null, `and ${more.length + Math.max(0, left)} more`), ...more.map(line));
  return [h("dt", null, label), h("dd", null, ...few, rest)];
}

/** Runtimes in a line. @param {string[]} runtimes */
function on(runtimes) {
  const releases = runtimes.every((name) => RELEASE.test(name));
  return `${releases ? "TVM " : ""}${runtimes.map(short).join(", ")}`;
}

/** A location in words. @param {Location} at */
function place(at) {
  const parts = [];
  for (const name of /** @type {const} */ (["symbol", "function", "instruction", "argument", "constant"])) {
    if (at[name] !== undefined) parts.push(`${name} ${at[name]}`);
  }
  if (at.offset !== undefined) parts.push(`byte 0x${at.offset.toString(16)}`);
  return parts.join(", ");
}

/** A path that is never taken for an option. @param {string} path */
export function named(path) {
  return path.startsWith("-") ? `./${path}` : path;
}

/** A word as a shell takes it. @param {string} word */
export function quote(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
