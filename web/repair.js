// @ts-check
// Repairs in the browser: the program changes the copy in memory as it would change the
// file, checks what it wrote, and the result and its receipt are offered as downloads.

import { download, fill, h, sized } from "./dom.js";
import { run, written } from "./program.js";
import { named, newestFirst, quote, short } from "./report.js";

/**
 * @param {HTMLElement} into @param {string} file
 * @param {import("./report.js").Artifact | undefined} artifact
 * @param {import("./inside.js").Given} given
 */
export async function repairs(into, file, artifact, given) {
  const answer = h("div", { "aria-live": "polite" });
  const results = h("div", { "aria-live": "polite" });
  const runtimes = newestFirst(given.report.verdicts.map((one) => one.runtime)).filter((name) => !given.files.includes(name));
  const runtime = h("select", { id: "for" }, ...runtimes.map((name) => h("option", { value: name }, RELEASES.test(name) ? `TVM ${short(name)}` : name)));

  const path = named(file);
  /** @param {string[]} args @param {boolean} writes */
  const act = async (args, writes) => {
    fill(answer, h("p", { class: "quiet" }, "Working…"));
    const { stdout, stderr } = await run(args);
    const words = [stdout, stderr].join("").trim();
    fill(answer, h("p", { class: "quiet" }, h("code", null, `artcheck ${args.map(quote).join(" ")}`)), h("pre", { tabindex: 0 }, words));
    if (writes) {
      await offer(results);
      await given.rescan();
    }
  };
  const plan = (/** @type {boolean} */ apply) => act(["fix", path, "--runtime", runtime.value, ...(apply ? ["--apply", "--in-place"] : [])], apply);
  const button = (/** @type {string} */ words, /** @type {() => void} */ onclick) => h("button", { type: "button", onclick }, words);
  const tagged = (artifact?.libraries ?? []).length > 0;
  fill(
    into,
    h("p", null, "A copy in the page's memory is changed; your file stays as it is. Download the result when you like what it says."),
    runtimes.length > 0 && h("p", { class: "field" }, h("label", { for: "for" }, "Make it fit"), runtime, button("Show the plan", () => plan(false)), button("Fix", () => plan(true))),
    h(
      "p",
      { class: "buttons" },
      tagged && button("Retag to tirx", () => act(["patch", "retag", path, "--to", "tirx", "--in-place"], true)),
      tagged && button("Retag to tir", () => act(["patch", "retag", path, "--to", "tir", "--in-place"], true)),
      artifact?.format === "mach-o" && button("Sign ad hoc", () => act(["patch", "sign", path, "--in-place"], true)),
      button("Undo the last change", () => act(["unpatch", path], true)),
    ),
    answer,
    results,
  );
  await offer(results);
}

const RELEASES = /^tvm-\d/;

/** Downloads of what was written. @param {HTMLElement} into */
async function offer(into) {
  const files = await written();
  if (files.length === 0) return fill(into);
  const links = files.map(({ path, blob }) => h("li", null, download(path.split("/").pop() ?? path, blob, `Download ${path.split("/").pop()}`), h("span", { class: "quiet" }, ` ${sized(blob.size)}`)));
  fill(into, h("h3", null, "Written"), h("ul", { class: "written" }, ...links));
}
