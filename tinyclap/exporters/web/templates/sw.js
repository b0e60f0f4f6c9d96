// Keeps the whole page on the device, so that it works without a network. Every file is known by its hash: a cache is
// of one export, and a new export makes a new one, which takes over when no tab shows the former.
const CACHE = `tinyclap-${self.registration.scope}-@CACHE@`;
const FILES = @FILES@;

self.addEventListener("install", (event) => event.waitUntil(fill()));
self.addEventListener("activate", (event) => event.waitUntil(clear()));
self.addEventListener("fetch", (event) => {
  const { request } = event, inScope = request.url.startsWith(self.registration.scope);
  if (request.method === "GET" && inScope) event.respondWith(answer(request));
});

async function fill() {
  const cache = await caches.open(CACHE);
  for (const [file, integrity] of FILES) {
    let response;
    try {
      response = await fetch(file, { integrity }); // which the page has loaded already, most often
    } catch {
      response = await fetch(file, { integrity, cache: "reload" });
    }
    if (!response.ok) throw new Error(`${file}: ${response.status}`);
    await cache.put(file, response);
  }
}

async function clear() {
  const own = `tinyclap-${self.registration.scope}-`, names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(own) && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request) {
  const cache = await caches.open(CACHE), asked = new URL(request.url);
  const file = asked.href.split(/[?#]/)[0] === self.registration.scope ? "index.html" : request;
  return (await cache.match(file, { ignoreSearch: true })) ?? fetch(request);
}
