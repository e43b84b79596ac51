// Uses the page in Chromium and Firefox as a person does, and holds what it says against
// the program: node tests/web/page.mjs [--browser NAME]... ; tests/web/page prepares it.

import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

import { browsers, dist, inPage, opened, puppeteer, root, served } from "./browser.mjs";

const cache = process.env.ARTCHECK_PARTS ?? join(homedir(), ".cache/artcheck/parts");
const axe = readFileSync(join(cache, "npm/axe-core/package/axe.min.js"), "utf8");
const artcheck = process.env.ARTCHECK ?? join(root, "target/release/artcheck");
const pictures = process.env.PICTURES;
const corpus = join(root, "corpus/artifacts");
const folder = mkdtempSync(join(tmpdir(), "artcheck-page-"));

/** What was measured, for the record. */
const record = [];
let failed = 0;

function check(what, good, detail = "") {
  if (!good) failed += 1;
  const line = `${good ? "ok    " : "FAILED"} ${what}${detail === "" ? "" : `: ${detail}`}`;
  console.log(line);
  record.push(line);
}

/** What the program prints, run where the file is. */
function native(args, cwd) {
  const done = spawnSync(artcheck, args, { cwd, maxBuffer: 1 << 30 });
  return { status: done.status, stdout: done.stdout.toString(), stderr: done.stderr.toString() };
}

/** Every file of the corpus that is given by name. */
function* filesBelow(path) {
  for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(inner);
    else yield inner;
  }
}

async function accessible(page, name, where) {
  await page.evaluate(`${axe}; 0`);
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, { resultTypes: ["violations"] });
    return result.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}`);
  });
  check(`${name}: axe, ${where}`, found.length === 0, found.join("; "));
}

async function picture(page, name) {
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];

/** Everything that is asked of the page, in one browser. */
async function tried(name, launch) {
  const site = served(dist);
  const stranger = served(folder);
  await Promise.all([site, stranger].map(({ server }) => new Promise((resolve) => (server.listening ? resolve() : server.on("listening", resolve)))));
  const browser = await puppeteer.launch(launch);
  console.log(`\n${name} ${await browser.version()}`);
  record.push("", `${name} ${await browser.version()}`);
  try {
    const { page, said } = await opened(browser, site.at());
    await page.waitForFunction(async () => (await navigator.serviceWorker.getRegistration())?.active?.state === "activated", { timeout: 30_000 });
    await new Promise((resolve) => setTimeout(resolve, 500));
    // Time of somebody's first file, in three pages of their own: the least, because other
    // work on the machine only adds to it.
    const five = join(folder, "five.so");
    const first = [];
    for (let run = 0; run < 3; run += 1) {
      const fresh = await opened(browser, site.at());
      first.push(Math.round((await inPage.give(fresh.page, [five])).took));
      await fresh.page.close();
    }
    await page.bringToFront();
    check(`${name}: first verdict of a 5 MB library within 300 ms`, Math.min(...first) < 300, `${first.join(", ")} ms`);
    const loaded = site.asked.length;
    site.loading = [];
    await accessible(page, name, "empty");
    await picture(page, `${name}-empty`);
    await (await page.$("#files")).uploadFile(join(folder, "config/artcheck.toml"));
    await page.waitForFunction(() => document.querySelector("#status .bad") && !document.body.hasAttribute("aria-busy"));
    const told = await page.$eval("#status", (shown) => shown.textContent);
    check(`${name}: why the first files are not read`, told.includes("unknown field"), told.split("\n")[0]);

    // The whole corpus, each file by itself.
    let equal = 0;
    const differ = [];
    for (const file of filesBelow(corpus)) {
      const wanted = native(["scan", "--format", "json", basename(file)], dirname(file));
      const before = (await inPage.state(page)).turn;
      const got = await inPage.give(page, [file]);
      if (got.json === wanted.stdout && got.turn > before) equal += 1;
      else differ.push(basename(file));
    }
    check(`${name}: JSON equal to the program's, file by file`, differ.length === 0 && equal > 100, `${equal} equal; ${differ.join(", ")}`);

    // All of it as one folder, where the browser can be given one by a script.
    if (name === "chromium") {
      const got = await inPage.give(page, [corpus], "#folder");
      const wanted = native(["scan", "--format", "json", "artifacts"], dirname(corpus));
      check(`${name}: JSON equal, the corpus as one folder`, got.json === wanted.stdout, `${got.json.length} characters in ${Math.round(got.took)} ms`);
      await picture(page, `${name}-corpus`);
    }

    // The same library again and again, after the largest report.
    const took = [];
    for (let run = 0; run < 9; run += 1) took.push((await inPage.give(page, [five])).took);
    check(`${name}: a 5 MB library again within 300 ms`, median(took) < 300, `first ${Math.round(took[0])} ms, median of 9 ${Math.round(median(took))} ms`);
    const large = await inPage.give(page, [join(folder, "large.so")]);
    const wanted = native(["scan", "--format", "json", "large.so"], folder);
    check(`${name}: a 600 MB library, JSON equal`, large.json === wanted.stdout, `${Math.round(large.took)} ms`);
    check(`${name}: of the 600 MB, read`, large.read > 0 && large.read < 16e6, `${(large.read / 1e6).toFixed(1)} MB`);
    const tar = await inPage.give(page, [join(folder, "large.tar")]);
    const inTar = native(["scan", "--format", "json", "large.tar"], folder);
    check(`${name}: a tar of 600 MB, JSON equal`, tar.json === inTar.stdout, `${Math.round(tar.took)} ms, ${(tar.read / 1e6).toFixed(1)} MB read`);
    // The second has the first one's memory.
    const both = await inPage.give(page, [join(folder, "large.tar"), join(folder, "small.tar")]);
    check(`${name}: two tars, JSON equal`, both.json === native(["scan", "--format", "json", "large.tar", "small.tar"], folder).stdout);

    await views(page, name, site);
    await names(page, name);
    await repaired(page, name);

    const violated = await inPage.violations(page);
    check(`${name}: CSP violations`, violated.length === 0, violated.join(", ") || "none");
    // Another page was opened in between, which asks as it loads. The browser, and not the
    // page, asks some time after each opening whether there is a newer service worker.
    const asked = site.asked.slice(loaded).filter((url) => url !== "/sw.js" && !site.loading.includes(url));
    check(`${name}: network requests after load`, asked.length === 0, asked.join(", ") || "none");
    check(`${name}: errors on the console`, said.length === 0, said.join("; ") || "none");
    await refused(page, name, stranger);

    site.server.close();
    site.server.closeAllConnections();
    const again = await opened(browser, site.at());
    const offline = await inPage.give(again.page, [five]);
    check(`${name}: works without its server after the first visit`, offline.json.startsWith("{"));
  } finally {
    await browser.close();
    site.server.close();
    stranger.server.close();
  }
}

/** Each view is what the program prints. */
async function views(page, name, site) {
  const file = join(corpus, "synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
  await inPage.give(page, [file]);
  await accessible(page, name, "a report");
  const asm = native(["dump", "--asm", basename(file)], dirname(file)).stdout;
  await page.click("#tab-Disassembly");
  await page.waitForSelector(".listing");
  const shown = await page.$eval(".listing", (pre) => [...pre.querySelectorAll(".line")].map((line) => line.textContent.slice(line.querySelector(".number").textContent.length)).join(""));
  check(`${name}: the disassembly is the program's`, shown.trimEnd() === asm.trimEnd());
  await page.type("#search", "make_tuple");
  await page.waitForSelector(".listing mark");
  const found = (await page.$$(".listing mark")).length;
  check(`${name}: search finds every line`, found === asm.split("\n").filter((line) => line.includes("make_tuple")).length, `${found}`);
  await accessible(page, name, "a search");
  await picture(page, `${name}-search`);
  await page.click("#tab-Metadata");
  await page.waitForSelector("#panel pre");
  const metadata = await page.$eval("#panel pre", (pre) => pre.textContent);
  check(`${name}: the metadata is the program's`, metadata === native(["dump", "--metadata", basename(file)], dirname(file)).stdout);
  await page.click("#tab-Contents");
  await page.waitForSelector(".tree");
  await accessible(page, name, "contents");
  await picture(page, `${name}-report`);
  await page.click(".finding .code");
  await page.waitForSelector("#page[open] h2");
  const rule = await page.$eval("#page-title", (title) => title.textContent);
  check(`${name}: a rule's page opens`, rule === "AC101 attention-tag", rule);
  await accessible(page, name, "a rule's page");
  await picture(page, `${name}-rule`);
  await page.keyboard.press("Escape");
  await page.type("#error", "InternalError: Cannot reach here");
  await page.click("#explain-form button");
  await page.waitForSelector("#explained pre");
  const explained = await page.$eval("#explained pre", (pre) => pre.textContent);
  check(`${name}: an error is explained`, explained.startsWith("AC101"), explained.split("\n")[0]);

  const before = join(corpus, "tvm-0.25/dense-cpu-x86_64.so");
  const after = join(folder, "dense-after.so");
  copyFileSync(join(corpus, "tvm-0.27/dense-cpu-x86_64.so"), after);
  copyFileSync(before, join(folder, "dense-before.so"));
  await inPage.give(page, [join(folder, "dense-before.so"), after]);
  await page.select("#which", "dense-before.so");
  await page.click("#tab-Compare");
  await page.waitForSelector("#other");
  await page.click("#other + button");
  await page.waitForSelector(".difference");
  const difference = await page.$eval(".difference", (pre) => pre.textContent);
  const wanted = native(["diff", "dense-before.so", "dense-after.so"], folder).stdout;
  check(`${name}: the comparison is the program's`, difference.trimEnd() === wanted.trimEnd());
  await accessible(page, name, "a comparison");
  await picture(page, `${name}-compare`);

  await page.evaluate(() => {
    Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => void (window.copied = text) } });
  });
  await page.click(".actions button");
  await page.waitForFunction(() => window.copied);
  const link = await page.evaluate(() => window.copied);
  const json = (await inPage.state(page)).json;
  const asked = site.asked.length;
  const cut = await opened(page.browser(), link.slice(0, -link.length >> 1));
  const why = await cut.page.$eval("#status", (shown) => shown.textContent);
  check(`${name}: half a link says so`, why.includes("a part of the link is missing"), why);
  await cut.page.close();
  const other = await opened(page.browser(), link);
  site.loading.push(...site.asked.slice(asked));
  check(`${name}: a link carries the report`, (await inPage.state(other.page)).json === json, `${link.length} characters for ${json.length}`);
  await other.page.setViewport({ width: 390, height: 844 });
  await accessible(other.page, name, "a report from a link, 390 px");
  const wide = await other.page.evaluate(() => document.documentElement.scrollWidth);
  check(`${name}: nothing is wider than 390 px`, wide <= 390, `${wide}`);
  await picture(other.page, `${name}-phone`);
  if (name === "chromium") {
    await other.page.setViewport({ width: 1400, height: 900 });
    await other.page.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: "dark" },
      // Colours halfway to others are not what is read.
      { name: "prefers-reduced-motion", value: "reduce" },
    ]);
    await accessible(other.page, name, "dark");
    await picture(other.page, `${name}-dark`);
  }
  await other.page.close();
}

/** Files whose names mean something to others, or are the same, and a damaged one. */
async function names(page, name) {
  const odd = `-a '<b>" $(x)\n.so`;
  copyFileSync(join(corpus, "synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so"), join(folder, odd));
  const got = await inPage.give(page, [join(folder, odd)]);
  check(`${name}: an odd name, JSON equal`, got.json === native(["scan", "--format", "json", "--", odd], folder).stdout);
  const fix = await page.$eval(".finding dl", (list) => list.textContent);
  check(`${name}: an odd name, as a shell takes it`, fix.includes(`artcheck patch retag './-a '\\''<b>" $(x)\n.so' --to tirx`), fix.slice(-300));
  await page.click("#tab-Metadata");
  await page.waitForSelector("#panel pre, #panel .bad");
  const metadata = await page.$eval("#panel pre, #panel .bad", (shown) => shown.textContent);
  check(`${name}: an odd name, its metadata`, metadata === native(["dump", "--metadata", `./${odd}`], folder).stdout, metadata.slice(0, 100));

  // What has no place to break is broken all the same.
  const long = `${"x".repeat(200)}.so`;
  copyFileSync(join(folder, odd), join(folder, long));
  await page.setViewport({ width: 390, height: 844 });
  await inPage.give(page, [join(folder, long)]);
  await page.click("#tab-Fix");
  await page.waitForSelector("#for");
  await page.evaluate(() => [...document.querySelectorAll("#panel button")].find((one) => one.textContent === "Retag to tirx").click());
  await page.waitForSelector(".written a");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(`${name}: a long name in 390 px`, wide <= 390, `${wide}`);
  await page.setViewport({ width: 1400, height: 900 });

  // Of what is damaged, the program prints what it read.
  const half = readFileSync(join(folder, "dense-before.so"));
  writeFileSync(join(folder, "half.so"), half.subarray(0, half.length >> 1));
  await inPage.give(page, [join(folder, "half.so")]);
  await page.click("#tab-Contents");
  await page.waitForSelector("#panel details pre, #panel .bad");
  const read = await page.$eval("#panel details pre, #panel .bad", (shown) => shown.textContent);
  check(`${name}: half a library, its contents`, read === native(["dump", "half.so"], folder).stdout, read.slice(0, 100));

  // Two builds of a library have one name.
  mkdirSync(join(folder, "2"));
  copyFileSync(join(folder, "dense-after.so"), join(folder, "2/dense-before.so"));
  await inPage.give(page, [join(folder, "dense-before.so")]);
  await page.click("#tab-Compare");
  await page.waitForSelector("#panel .buttons button");
  const [chooser] = await Promise.all([page.waitForFileChooser(), page.click("#panel .buttons button")]);
  await chooser.accept([join(folder, "2/dense-before.so")]);
  await page.waitForSelector(".difference");
  const difference = await page.$eval(".difference", (pre) => pre.textContent);
  const wanted = native(["diff", "dense-before.so", "2/dense-before.so"], folder).stdout;
  check(`${name}: a comparison of files of one name`, difference.trimEnd() === wanted.trimEnd(), difference.slice(0, 100));
}

/** What is patched in the page is what the program patches. */
async function repaired(page, name) {
  // A page behind another paints nothing, and waits for that.
  await page.bringToFront();
  const cases = [
    ["synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so", "Retag to tirx", ["patch", "retag", "--to", "tirx", "--in-place"]],
    ["synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so", "Fix", ["fix", "--runtime", "tvm-0.27", "--apply", "--in-place"]],
    ["tvm-0.26/dense-metal-macos-arm64.dylib", "Sign ad hoc", ["patch", "sign", "--in-place"]],
  ];
  for (const [file, words, args] of cases) {
    const here = join(folder, "repair");
    // The browser reads its file when it is asked: the program changes another one.
    const there = join(folder, "repair-by-program");
    for (const empty of [here, there]) {
      rmSync(empty, { recursive: true, force: true });
      mkdirSync(empty);
    }
    const copy = join(here, basename(file));
    const bytes = readFileSync(join(corpus, file));
    // A signature that does not fit the bytes any more.
    if (words === "Sign ad hoc") bytes[bytes.length >> 1] ^= 1;
    writeFileSync(copy, bytes);
    writeFileSync(join(there, basename(copy)), bytes);
    await inPage.give(page, [copy]);
    const done = native([...args, basename(copy)], there);
    await page.click("#tab-Fix");
    await page.waitForFunction((words) => [...document.querySelectorAll("#panel button")].some((one) => one.textContent === words), {}, words);
    const before = (await inPage.state(page)).turn;
    await page.evaluate((words) => [...document.querySelectorAll("#panel button")].find((one) => one.textContent === words).click(), words);
    await inPage.next(page, before);
    const written = await page.evaluate(async () => {
      const { written } = await import(new URL("program.js", location.href).href);
      return Promise.all((await written()).map(async ({ path, blob }) => [path, [...new Uint8Array(await blob.arrayBuffer())]]));
    });
    const files = new Map(written.map(([path, bytes]) => [path, Buffer.from(bytes)]));
    const same = (path) => files.get(path)?.equals(readFileSync(join(there, path)));
    const receipt = `${basename(copy)}.artcheck.json`;
    check(`${name}: "${words}" writes what the program writes`, done.status === 0 && same(basename(copy)) && same(receipt), [...files].map(([path, bytes]) => `${path} ${bytes.length}`).join(", "));
    const links = await page.$$eval(".written a", (all) => all.map((one) => one.download));
    check(`${name}: both are offered`, links.includes(basename(copy)) && links.includes(receipt), links.join(", "));
    if (words === "Fix") {
      await accessible(page, name, "a fix");
      await picture(page, `${name}-repair`);
    }
  }
}

/** What the page's policy refuses: anything outside, from the page and from its workers. */
async function refused(page, name, stranger) {
  const outcome = await page.evaluate(async (url) => {
    const here = await fetch(url, { mode: "no-cors" }).then(() => "sent", () => "refused");
    const text = new Blob([`fetch("${url}", { mode: "no-cors" }).then(() => postMessage("sent"), () => postMessage("refused"))`]);
    const worker = new Worker(URL.createObjectURL(text), { type: "module" });
    const there = await new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = () => resolve("refused");
    });
    return { here, there };
  }, stranger.at());
  const none = stranger.asked.length === 0 && outcome.here === "refused" && outcome.there === "refused";
  check(`${name}: a request to elsewhere is refused, in the page and in a worker`, none, `${JSON.stringify(outcome)}, ${stranger.asked.length} arrived`);
}

// Texts that are read only by who asks for them, beside the page.
const aside = ["LICENSE", "THIRD-PARTY.txt", "sbom.cdx.json"];
check("the licences are beside the page", aside.every((file) => statSync(join(dist, file)).size > 1000));

const extcall = join(corpus, "tvm-0.27/extcall-cpu-x86_64.so");
for (const [out, bytes] of [["five.so", 5_000_000], ["large.so", 600_000_000]]) {
  execFileSync("python3", [join(import.meta.dirname, "large.py"), artcheck, extcall, join(folder, out), String(bytes)]);
}
execFileSync("bash", ["-c", `truncate -s 600M weights.bin && cp "${extcall}" . && tar -cf large.tar weights.bin extcall-cpu-x86_64.so && truncate -s 5M weights.bin && tar -cf small.tar weights.bin extcall-cpu-x86_64.so && rm weights.bin`], { cwd: folder });
check("the large files are large", statSync(join(folder, "large.so")).size > 6e8 && statSync(join(folder, "large.tar")).size > 6e8);

mkdirSync(join(folder, "config"));
writeFileSync(join(folder, "config/artcheck.toml"), "[policy]\n");

const only = process.argv.slice(2);
try {
  for (const [name, launch] of Object.entries(browsers)) {
    if (only.length === 0 || only.includes(name)) await tried(name, launch);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(failed ? `\n${failed} failed` : "\nall good");
process.exitCode = failed ? 1 : 0;
