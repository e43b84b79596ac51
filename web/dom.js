// @ts-check
// Elements, made by hand. Text goes in as text, so nothing that a file says can become
// part of the page.

/**
 * @typedef {string | number | Node | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | undefined | ((event: any) => void)>} Attributes
 */

/**
 * An element. Attributes that begin with `on` are listeners.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Attributes | null} [attributes] @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...kept(children));
  return element;
}

/** @param {Child[]} children @returns {(string | Node)[]} */
function kept(children) {
  return children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren(...kept(children));
}

/**
 * The element of an id.
 * @param {string} id @returns {HTMLElement}
 */
export function by(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element ${id}`);
  return element;
}

/** Text in which what stands between backquotes is code. @param {string} text */
export function withCode(text) {
  return text.split("`").map((part, i) => (i % 2 ? h("code", null, part) : part));
}

/** `1 error`, `2 errors`. @param {number} count @param {string} noun */
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {number} bytes */
export function sized(bytes) {
  for (const [unit, size] of /** @type {const} */ ([["GB", 1e9], ["MB", 1e6], ["KB", 1e3]])) {
    if (bytes >= size) return `${(bytes / size).toFixed(bytes >= 10 * size ? 0 : 1)} ${unit}`;
  }
  return `${bytes} bytes`;
}

/** Offers bytes as a download. @param {string} name @param {Blob} blob @param {string} words */
export function download(name, blob, words) {
  return h("a", { href: URL.createObjectURL(blob), download: name, class: "button" }, words);
}
