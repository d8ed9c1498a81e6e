// Drives the comparison; see web/compare.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { headToOnnx } from './onnx_head.mjs';
import { serve } from './server.mjs';

const { chromium } = createRequire(resolve('target/web/tools/package.json'))('playwright-core');
const folder = mkdtempSync(join(tmpdir(), 'sharekan-compare-'));
writeFileSync(join(folder, 'head.onnx'), headToOnnx(readFileSync('assets/heads/bccd.safetensors')));
const ort = resolve('target/web/tools/node_modules/onnxruntime-web/dist');
const server = await serve({ '/site/': resolve('target/web/site'), '/ort/': ort, '/folder/': folder, '/': resolve('web/tests') });
const flags = (process.env.CHROMIUM_FLAGS ?? '--use-webgpu-adapter=swiftshader').split(' ').filter(Boolean);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: ['--no-sandbox', '--enable-unsafe-webgpu', ...flags] });

const results = { browser: browser.version(), onnxruntime_web: JSON.parse(readFileSync(join(ort, '../package.json'))).version };
for (const [name, call, argument] of [
  ['sharekan, CPU', 'sharekan', 'cpu'], ['onnxruntime-web, wasm, 1 thread', 'ort', 'wasm'],
  ['sharekan, WebGPU', 'sharekan', 'gpu'], ['onnxruntime-web, WebGPU', 'ort', 'webgpu'],
]) {
  const page = await browser.newPage();
  page.setDefaultTimeout(600_000);
  await page.goto(`${server.origin}/compare.html`);
  await page.waitForFunction(() => globalThis.ready);
  try {
    results[name] = await page.evaluate(([own, given]) => globalThis.compare[own](given), [call, argument]);
  } catch (error) {
    results[name] = { error: error.message.split('\n')[0] };
  }
  await page.close();
}
const page = await browser.newPage();
await page.goto(`${server.origin}/site/bench.html`);
await page.click('#run');
await page.waitForFunction(() => !document.querySelector('#run').disabled, null, { timeout: 600_000 });
results['the page'] = (await page.evaluate(() => globalThis.sharekanBench.result())) ?? { error: await page.textContent('#status') };
// Both compute the same head.
const [a, b] = [results['sharekan, CPU'].outputs ?? [], results['onnxruntime-web, wasm, 1 thread'].outputs ?? []];
const most = Math.max(...a.map(Math.abs));
results.largest_difference_of_the_dense_head = Math.max(...a.map((value, at) => Math.abs(value - b[at]))) / most;
for (const own of Object.values(results)) delete own?.outputs;
console.log(JSON.stringify(results, (_, value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value), 2));
await browser.close();
server.close();
rmSync(folder, { recursive: true, force: true });
