// @ts-check
// Files that are dropped or chosen, with their paths.

/** @typedef {{ path: string, file: File }} Given */

/**
 * What was dropped: files, and everything in folders.
 * @param {DataTransfer} transfer @returns {Promise<Given[]>}
 */
export async function dropped(transfer) {
  // Items are gone after the event, so their entries are taken first.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  /** @type {Given[]} */
  const given = [];
  for (const entry of entries) if (entry) await walk(entry, given);
  return given.length > 0 ? given : chosen(transfer.files);
}

/** @param {FileSystemEntry} entry @param {Given[]} given */
async function walk(entry, given) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const one = /** @type {FileSystemFileEntry} */ (entry);
    given.push({ path, file: await new Promise((resolve, reject) => one.file(resolve, reject)) });
    return;
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const inner of some) await walk(inner, given);
  }
}

/** What was chosen. @param {FileList | null} files @returns {Given[]} */
export function chosen(files) {
  return [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}
