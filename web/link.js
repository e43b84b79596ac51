// @ts-check
// A report as a link: the JSON, compressed, in the part of the address that browsers do
// not send to a server.

const KEY = "#report=";

/** @param {string} json */
export async function linkOf(json) {
  const packed = await through(new Blob([json]), new CompressionStream("deflate-raw"));
  let text = "";
  for (const byte of packed) text += String.fromCharCode(byte);
  const spelled = btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const page = new URL(location.href);
  page.hash = KEY.slice(1) + spelled;
  return page.href;
}

/** The report in an address; `undefined` where there is none. @param {string} hash */
export async function reportOf(hash) {
  if (!hash.startsWith(KEY)) return undefined;
  const spelled = hash.slice(KEY.length).replaceAll("-", "+").replaceAll("_", "/");
  const bytes = Uint8Array.from(atob(spelled), (c) => c.charCodeAt(0));
  const json = await through(new Blob([bytes]), new DecompressionStream("deflate-raw"));
  return new TextDecoder().decode(json);
}

/** Most bytes that a link may unpack to. */
const MOST = 64 << 20;

/** @param {Blob} blob @param {GenericTransformStream} transform */
async function through(blob, transform) {
  const reader = blob.stream().pipeThrough(/** @type {any} */ (transform)).getReader();
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  let length = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > MOST) throw new Error("the report in this link is too large");
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
