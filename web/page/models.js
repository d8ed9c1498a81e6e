// Files by their content: fetched once with progress, checked, and kept in the browser's cache.

const CACHE = 'sharekan';

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Digest of bytes; undefined where the page is not served securely. */
async function digest(bytes) {
  return globalThis.crypto?.subtle ? hex(await crypto.subtle.digest('SHA-256', bytes)) : undefined;
}

async function cache() {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined;
  }
}

/**
 * The bytes of `entry`, `{ file, bytes, sha256 }` of the manifest at `base`.
 * `progress` gets the share that is there, 0 to 1. Gives `{ bytes, cached, seconds }`.
 */
export async function load(entry, base, progress = () => {}) {
  const begin = performance.now();
  const seconds = () => (performance.now() - begin) / 1000;
  const url = new URL(`${entry.file}?sha256=${entry.sha256}`, base);
  const kept = await cache();
  const found = await kept?.match(url).catch(() => undefined);
  if (found) {
    const bytes = new Uint8Array(await found.arrayBuffer());
    if (bytes.length === entry.bytes) {
      progress(1);
      return { bytes, cached: true, seconds: seconds() };
    }
    await kept.delete(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${entry.file} did not load: the server says ${response.status}`);
  const bytes = new Uint8Array(entry.bytes);
  let at = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (at + value.length > bytes.length) throw new Error(`${entry.file} is larger than the ${entry.bytes} bytes expected: reload the page`);
    bytes.set(value, at);
    at += value.length;
    progress(at / bytes.length);
  }
  const own = await digest(bytes);
  if (at !== bytes.length || (own && own !== entry.sha256)) {
    throw new Error(`${entry.file} is not what this page expects (${at} of ${bytes.length} bytes): reload the page`);
  }
  // A full disk or a private window keeps nothing, which costs a download next time.
  await kept?.put(url, new Response(bytes)).catch(() => {});
  return { bytes, cached: false, seconds: seconds() };
}

/** Forgets what an older page kept. */
export async function forgetOthers(manifest, base) {
  const kept = await cache();
  if (!kept) return;
  const entries = [manifest.backbone, ...Object.values(manifest.heads)];
  const own = new Set(entries.map((entry) => new URL(`${entry.file}?sha256=${entry.sha256}`, base).href));
  for (const request of await kept.keys()) if (!own.has(request.url)) await kept.delete(request);
}
