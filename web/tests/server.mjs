// Static files over loopback, below a path of some depth: the page must not mind where it lies.

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.json': 'application/json', '.svg': 'image/svg+xml', '.wasm': 'application/wasm', '.jpg': 'image/jpeg', '.png': 'image/png',
};

/** Serves folders, `{ '/path/': folder }`; gives `{ origin, requests, close }`. */
export function serve(folders) {
  const requests = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    requests.push(pathname);
    const prefix = Object.keys(folders).find((own) => pathname.startsWith(own));
    let file = prefix && join(folders[prefix], normalize(decodeURIComponent(pathname.slice(prefix.length - 1))));
    if (file?.endsWith('/')) file += 'index.html';
    try {
      if (!file || !statSync(file).isFile()) throw new Error();
    } catch {
      response.writeHead(404).end('not found');
      return;
    }
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-length': statSync(file).size, 'cache-control': 'no-store' });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ origin: `http://127.0.0.1:${server.address().port}`, requests, close: () => server.close() });
    });
  });
}
