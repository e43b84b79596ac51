// Keeps the page's own files, so that it works without a network. The build fills in
// what they are; a new build has another name, and what was kept before goes.

const NAME = "artcheck-@BUILD@";
const FILES = /** @type {string[]} */ ([/* @FILES@ */]);

addEventListener("install", (event) => {
  const keep = async () => {
    await (await caches.open(NAME)).addAll(FILES);
    await skipWaiting();
  };
  event.waitUntil(keep());
});

addEventListener("activate", (event) => {
  const tidy = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith("artcheck-") && name !== NAME);
    await Promise.all(old.map((name) => caches.delete(name)));
    await clients.claim();
  };
  event.waitUntil(tidy());
});

addEventListener("fetch", (event) => {
  const answer = async () => {
    const cache = await caches.open(NAME);
    const kept = await cache.match(event.request, { ignoreSearch: true });
    return kept ?? fetch(event.request);
  };
  if (event.request.method === "GET") event.respondWith(answer());
});
