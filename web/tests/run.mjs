// The checks of the page; see web/test.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { patches } from './png.mjs';
import { serve } from './server.mjs';

const require = createRequire(resolve('target/web/tools/package.json'));
const { chromium } = require('playwright-core');

const SITE = resolve('target/web/site');
const SHOTS = resolve('target/web/shots');
const NET = resolve('tests/data/onnx/conv_no_bias.onnx');
const HEADS = { dense: resolve('web/tests/data/dense.safetensors'), integer: resolve('web/tests/data/integer.safetensors'), bank: resolve('web/tests/data/bank.safetensors') };
const SMALL = { score: 0.45, nms: 0.6 };
const MINUTES = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'sharekan-web-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
rmSync(SHOTS, { recursive: true, force: true });
mkdirSync(SHOTS, { recursive: true });

const server = await serve({
  '/some/deep/path/': SITE, '/data/': resolve('.'), '/application/node_modules/sharekan/': resolve('target/web/package'), '/application/': folder,
});
const PAGE = `${server.origin}/some/deep/path/`;

/** What the program finds. */
function native(head, backbone, files, options, more = []) {
  const json = join(folder, 'native.json');
  const given = ['detect', head, ...files, '--backbone', backbone, '--json', json, '--score', String(options.score), '--nms', String(options.nms), ...more];
  execFileSync(process.env.SHAREKAN, given, { stdio: ['ignore', 'ignore', 'pipe'] });
  return JSON.parse(readFileSync(json, 'utf8')).map(({ detections }) => detections);
}

function iou(a, b) {
  const side = (at) => Math.max(0, Math.min(a[at + 2], b[at + 2]) - Math.max(a[at], b[at]));
  const area = (own) => (own[2] - own[0]) * (own[3] - own[1]);
  const both = side(0) * side(1);
  return both / (area(a) + area(b) - both);
}

/** Refuses boxes that are not those of the program: same classes, overlap of 0.95, scores to 0.01; near the threshold one may miss. */
function same(found, expected, score, what) {
  const free = [...expected];
  const missing = [];
  for (const own of found) {
    const at = free.findIndex((other) => own.class === other.class && own.head === other.head && iou(own.box, other.box) >= 0.95 && Math.abs(own.score - other.score) <= 0.01);
    if (at < 0) missing.push(own);
    else free.splice(at, 1);
  }
  const strong = [...missing, ...free].filter((own) => own.score > score + 0.01);
  if (strong.length || !expected.length) throw new Error(`${what}: ${strong.length} boxes differ of ${expected.length}: ${JSON.stringify(strong.slice(0, 3))}`);
  return expected.length;
}

const ensure = (condition, text) => {
  if (!condition) throw new Error(text);
};

const GPU = ['--use-webgpu-adapter=swiftshader', '--enable-unsafe-webgpu'];
const PLAIN = ['--no-sandbox'];

async function open(flags, query, { width = 1280, height = 900, scheme = 'light', ready = true, ...more } = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: [...PLAIN, ...flags] });
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, acceptDownloads: true, ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(8 * MINUTES);
  const problems = [];
  page.on('pageerror', (error) => problems.push(`error ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/favicon/.test(message.text())) problems.push(`console ${message.text()}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(server.origin) && !/^(blob|data):/.test(request.url())) problems.push(`request to ${request.url()}`);
  });
  await page.goto(PAGE + query);
  if (ready) await page.waitForFunction(() => globalThis.sharekanPage?.state.ready === true);
  return { browser, page, problems, context };
}

/** Drops files on the page, as a user does, and waits until they are taken. */
async function drop(page, files) {
  return page.evaluate(async (list) => {
    const made = list.map(({ name, type, base64 }) => new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type }));
    document.getElementById('notices').replaceChildren();
    await globalThis.sharekanPage.take(made);
    return [...document.getElementById('notices').children].map((own) => own.firstChild.textContent);
  }, files.map(({ name, type = '', bytes }) => ({ name, type, base64: Buffer.from(bytes).toString('base64') })));
}

const idle = (page) => page.waitForFunction(() => !globalThis.sharekanPage.state.busy && globalThis.sharekanPage.state.ready);
const found = (page) => page.evaluate(() => globalThis.sharekanPage.state.found);

async function small(page, head) {
  await page.evaluate((options) => globalThis.sharekanPage.client.call('options', [options]), SMALL);
  // The network does not fit the page's head: it waits for the one beside it.
  await page.evaluate(async (paths) => {
    const file = async (path, name) => new File([await (await fetch(path)).arrayBuffer()], name);
    await globalThis.sharekanPage.take([await file(paths[1], 'small.safetensors'), await file(paths[0], 'small.onnx')]);
  }, [NET, head].map((path) => `/data/${path.slice(resolve('.').length + 1)}`));
}

const pictures = [[160, 120], [90, 128], [400, 300]].map(([width, height], at) => {
  const file = join(folder, `patches-${at}.png`);
  writeFileSync(file, patches(width, height, at + 1));
  return file;
});
const sampleHead = join(SITE, 'models/bccd.safetensors');
const full = join(SITE, 'models/efficientnet_lite0.onnx');

/** The small network with heads of some kinds, against the program. */
async function smallOnes(page, kinds) {
  let boxes = 0;
  for (const kind of kinds) {
    const head = HEADS[kind];
    await small(page, head);
    const expected = native(head, NET, pictures, SMALL, ['--device', 'cpu', '--backbone-device', 'cpu']);
    for (const [at, picture] of pictures.entries()) {
      const notices = await drop(page, [{ name: `${at}.png`, type: 'image/png', bytes: readFileSync(picture) }]);
      ensure(!notices.length, `${kind}: ${notices}`);
      await idle(page);
      boxes += same((await found(page)).detections, expected[at], SMALL.score, `${kind}, picture ${at}`);
    }
  }
  return `${boxes} boxes of ${kinds.length} heads on 3 pictures are those of the program`;
}

async function fullFrame(page, what) {
  await page.waitForFunction(() => globalThis.sharekanPage.state.found?.name === 'BloodImage_00007.jpg' && !globalThis.sharekanPage.state.busy);
  const options = await page.evaluate(() => ({ score: Number(document.getElementById('score').value), nms: Number(document.getElementById('nms').value) }));
  // The browser's own pixels: another decoder of JPEG is off by one or two of 255.
  const base64 = await page.evaluate(async () => {
    const { bitmap } = globalThis.sharekanPage.state.still;
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext('2d').drawImage(bitmap, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer());
    return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));
  });
  const sample = join(folder, 'sample.png');
  writeFileSync(sample, Buffer.from(base64, 'base64'));
  const [expected] = native(sampleHead, full, [sample], options, ['--device', 'cpu', '--backbone-device', 'cpu']);
  const own = await found(page);
  const boxes = same(own.detections, expected, options.score, what);
  return `${boxes} boxes of the sample are those of the program, ${Math.round(own.times.total)} ms`;
}

let gpu;
let cpu;
const checks = {
  async opens() {
    gpu = await open(GPU, '?device=gpu');
    const text = await gpu.page.textContent('#device-text');
    ensure(/WebGPU/.test(text), `the page says ${text}`);
    return text;
  },
  'a full frame on WebGPU': () => fullFrame(gpu.page, 'full frame'),
  async 'screenshot, 1280 pixels'() {
    await gpu.page.screenshot({ path: join(SHOTS, 'wide.png') });
    return join(SHOTS, 'wide.png');
  },
  // A bank's heads are in integers; every opening compiles, which takes SwiftShader its time. The dense head comes last: it is
  // what is verified next, in all forms, and a bank would be so head by head.
  'small network on WebGPU': () => smallOnes(gpu.page, ['bank', 'dense']),
  async verify() {
    const report = await gpu.page.evaluate(() => globalThis.sharekanPage.checkDevice());
    ensure(report?.passed, JSON.stringify(report));
    ensure(/Passed/.test(await gpu.page.textContent('#check-result')), 'the page does not say so');
    return `${report.checks.length} checks, largest error ${report.largest_error}`;
  },
  async 'device lost'() {
    const { page } = gpu;
    const before = await found(page);
    await page.evaluate(() => {
      globalThis.sharekanPage.state.found = undefined;
      return globalThis.sharekanPage.client.call('lose');
    });
    await page.waitForFunction(() => globalThis.sharekanPage.state.found && globalThis.sharekanPage.state.ready && !globalThis.sharekanPage.state.busy);
    const after = await found(page);
    ensure(JSON.stringify(after.detections) === JSON.stringify(before.detections), 'other boxes after the loss');
    const notices = await page.textContent('#notices');
    ensure(/lost/.test(notices), `the page says ${notices}`);
    return notices.replace(/Close$/, '');
  },
  async 'nothing went wrong on WebGPU'() {
    const problems = gpu.problems.filter((text) => !/device.*(lost|destroyed)/i.test(text));
    ensure(!problems.length, problems.slice(0, 5).join('; '));
    await gpu.browser.close();
    gpu = undefined;
    return 'no error, no request to others';
  },
  async 'no WebGPU: the CPU'() {
    cpu = await open(['--disable-features=WebGPU'], '');
    const text = await cpu.page.textContent('#device-text');
    ensure(/CPU/.test(text), `the page says ${text}`);
    ensure(/no WebGPU/.test(await cpu.page.textContent('#notices')), 'no message');
    return `${text}: ${await fullFrame(cpu.page, 'full frame on the CPU')}`;
  },
  'small network on the CPU': () => smallOnes(cpu.page, Object.keys(HEADS)),
  async 'ten bad files'() {
    const { page } = cpu;
    const head = readFileSync(HEADS.dense);
    const net = readFileSync(NET);
    const flipped = Buffer.from(head);
    flipped.fill(0xff, flipped.length - 64);
    const bad = [
      { name: 'empty.safetensors', bytes: Buffer.alloc(0) },
      { name: 'noise.safetensors', bytes: Buffer.from('no safetensors at all') },
      { name: 'cut.safetensors', bytes: head.subarray(0, head.length / 2) },
      { name: 'nan.safetensors', bytes: flipped },
      { name: 'other.safetensors', bytes: readFileSync(sampleHead) },
      { name: 'noise.onnx', bytes: Buffer.from('no network') },
      { name: 'cut.onnx', bytes: net.subarray(0, net.length / 2) },
      { name: 'noise.json', bytes: Buffer.from('{"classes": [') },
      { name: 'wrong.json', bytes: Buffer.from('{"classes": []}') },
      { name: 'noise.png', type: 'image/png', bytes: Buffer.from('no picture') },
      { name: 'noise.mp4', type: 'video/mp4', bytes: Buffer.from('no video') },
      { name: 'letter.txt', type: 'text/plain', bytes: Buffer.from('Dear page') },
    ];
    for (const file of bad) {
      const notices = await drop(page, [file]);
      ensure(notices.length >= 1 && notices.some((text) => text.includes(file.name.split('.')[0])), `${file.name}: the page says ${JSON.stringify(notices)}`);
      if (process.env.VERBOSE) console.log(`      ${notices.join(' | ')}`);
    }
    // It still works.
    const notices = await drop(page, [{ name: '0.png', type: 'image/png', bytes: readFileSync(pictures[0]) }]);
    ensure(!notices.length, `after bad files: ${notices}`);
    await idle(page);
    ensure((await found(page)).name === '0.png', 'no picture is found after bad files');
    return `${bad.length} files, each with a message`;
  },
  async save() {
    const { page } = cpu;
    const saved = async (id) => {
      const [download] = await Promise.all([page.waitForEvent('download'), page.click(id)]);
      return readFileSync(await download.path());
    };
    const record = JSON.parse(await saved('#save-json'));
    ensure(record.detections.length > 0 && record.width === 160, JSON.stringify(record).slice(0, 200));
    const png = await saved('#save-picture');
    ensure(png.readUInt32BE(16) === 160 && png.readUInt32BE(20) === 120, 'the picture has another size');
    return `${record.detections.length} boxes, a picture of 160 x 120`;
  },
  async 'nothing went wrong on the CPU'() {
    ensure(!cpu.problems.length, cpu.problems.slice(0, 5).join('; '));
    await cpu.browser.close();
    cpu = undefined;
    return 'no error, no request to others';
  },
  async 'the package, and the example of its README'() {
    const [, example] = readFileSync('web/package/README.md', 'utf8').match(/```html\n([^]*?)```/);
    writeFileSync(join(folder, 'index.html'), `<!doctype html><title>example</title><link rel="icon" href="data:,">${example}`);
    for (const [from, to] of [[HEADS.dense, 'head.safetensors'], [NET, 'backbone.onnx'], [pictures[0], 'picture.jpg']]) copyFileSync(from, join(folder, to));
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: [...PLAIN, ...GPU] });
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(2 * MINUTES);
      const lines = [];
      page.on('console', (message) => lines.push(message.text()));
      page.on('pageerror', (error) => lines.push(`error: ${error.message}`));
      await page.goto(`${server.origin}/application/`);
      for (let at = 0; at < 600 && !lines.length; at += 1) await page.waitForTimeout(100);
      ensure(lines.length > 0 && lines.every((line) => /^class \d 0\.\d\d /.test(line)), `the example logs ${JSON.stringify(lines.slice(0, 3))}`);
      const off = await page.evaluate(async () => {
        const { Sharekan } = await import('/application/node_modules/sharekan/sharekan.js');
        const rows = 5;
        const [gpu, cpu] = await Promise.all(['gpu', 'cpu'].map((device) => Sharekan.load({ head: 'head.safetensors', device })));
        const { inputs, outputs } = gpu.describe();
        const features = Float32Array.from({ length: rows * inputs }, (_, at) => ((at * 0.618) % 1) * 2 - 1);
        const expected = await cpu.runFeatures(features);
        const device = gpu.device.gpuDevice;
        const own = await gpu.featureBuffer(rows);
        device.queue.writeBuffer(own, 0, features);
        const other = device.createBuffer({ size: features.byteLength, usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
        device.queue.writeBuffer(other, 0, features);
        const found = [await gpu.runFeatures(features), await gpu.runFeatures(own, rows), await gpu.runFeatures(other)];
        const most = Math.max(...expected.map(Math.abs));
        const differences = found.map((values) => (values.length === rows * outputs ? Math.max(...values.map((value, at) => Math.abs(value - expected[at]))) / most : Infinity));
        const refused = await cpu.runFeatures(other).catch((error) => error.message);
        await gpu.dispose();
        await gpu.dispose();
        const after = await gpu.detect(new ImageData(4, 4)).catch((error) => error.message);
        return { differences, refused, after };
      });
      ensure(off.differences.every((value) => value < 1e-4), `features: ${off.differences}`);
      ensure(/GPUBuffer/.test(off.refused) && /disposed/.test(off.after), JSON.stringify(off));
      const packed = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: 'target/web/package', stdio: ['ignore', 'pipe', 'ignore'] }));
      const files = packed[0].files.map(({ path }) => path);
      for (const file of ['sharekan.js', 'sharekan.d.ts', 'sharekan_web.js', 'sharekan_web_bg.wasm', 'README.md']) ensure(files.includes(file), `npm pack leaves ${file} out`);
      return `${lines.length} boxes logged; features as numbers, in place and copied: off by ${Math.max(...off.differences).toExponential(0)}; ${files.length} files`;
    } finally {
      await browser.close();
    }
  },
  async 'bench page'() {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: PLAIN });
    try {
      const page = await browser.newPage({ viewport: { width: 360, height: 780 } });
      page.setDefaultTimeout(4 * MINUTES);
      await page.goto(`${PAGE}bench.html?device=cpu`);
      await page.click('#run');
      await page.waitForFunction(() => !document.getElementById('save').disabled || /did not work/.test(document.getElementById('status').textContent));
      const result = await page.evaluate(() => globalThis.sharekanBench.result());
      const { compressed, dense } = result.heads;
      ensure(result.format === 'sharekan-web-bench' && compressed.head.length === 4 && dense.wall.backbone > 0, await page.textContent('#status'));
      ensure((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, 'the page is wider than 360 pixels');
      await page.screenshot({ path: join(SHOTS, 'bench.png'), fullPage: true });
      return `head of 676 rows ${Math.round(compressed.head[3].microseconds / 1000)} ms, dense ${Math.round(dense.head[3].microseconds / 1000)} ms, backbone ${Math.round(compressed.wall.backbone)} ms`;
    } finally {
      await browser.close();
    }
  },
  async 'camera, 360 pixels, dark'() {
    const frames = join(folder, 'frames.mjpeg');
    writeFileSync(frames, Buffer.concat(['07', '90', '96'].map((end) => readFileSync(resolve(`assets/images/BloodImage_00${{ '07': '007', 90: '290', 96: '296' }[end]}.jpg`)))));
    const flags = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${frames}`];
    const own = await open(flags, '?device=cpu', { width: 360, height: 780, scheme: 'dark', permissions: ['camera'] });
    try {
      const { page } = own;
      await page.waitForFunction(() => globalThis.sharekanPage.state.found);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      ensure(wide <= 360, `the page is ${wide} pixels wide`);
      const unnamed = await page.evaluate(() =>
        [...document.querySelectorAll('button, input:not([hidden]), select, a, summary')].filter(
          (own) => !(own.textContent.trim() || own.getAttribute('aria-label') || own.labels?.length),
        ).map((own) => own.outerHTML),
      );
      ensure(!unnamed.length, `without a name: ${unnamed}`);
      // By keyboard: the tab key comes to the samples, the buttons, the heads and the sliders, and an arrow key changes one.
      const seen = new Set();
      for (let at = 0; at < 40; at += 1) {
        await page.keyboard.press('Tab');
        seen.add(await page.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.tagName));
      }
      for (const id of ['pick', 'camera', 'head', 'score', 'nms', 'save-json', 'cap']) ensure(seen.has(id), `the tab key does not come to ${id}`);
      await page.focus('#score');
      await page.keyboard.press('ArrowLeft');
      ensure((await page.textContent('#score-out')) === '0.45', 'the arrow key does not move the slider');
      await page.keyboard.press('ArrowRight');
      await page.waitForTimeout(200);
      await idle(page);
      await page.screenshot({ path: join(SHOTS, 'narrow.png'), fullPage: true });
      await page.evaluate(() => (globalThis.sharekanPage.state.found = undefined));
      await page.click('#camera');
      await page.waitForFunction(() => globalThis.sharekanPage.state.frames.length >= 2 && globalThis.sharekanPage.state.found);
      const { detections, width, height, name } = await found(page);
      ensure(name === 'camera' && detections.filter((one) => one.class === 'RBC').length >= 3, `${name}: ${detections.length} boxes`);
      await page.screenshot({ path: join(SHOTS, 'camera.png') });
      await page.click('#stop');
      ensure(!own.problems.length, own.problems.join('; '));
      return `${detections.length} boxes in a frame of ${width} x ${height}`;
    } finally {
      await own.browser.close();
    }
  },
  async 'own files, paste, video, hidden page, cache'() {
    const own = await open([], '?device=cpu', { reducedMotion: 'reduce' });
    try {
      const { page } = own;
      ensure((await page.evaluate(() => getComputedStyle(document.querySelector('.spinner')).animationDuration)) === '4s', 'motion is not reduced');
      const models = () => server.requests.filter((path) => path.includes('/models/')).length;
      await idle(page);
      const before = models();
      await page.reload();
      await page.waitForFunction(() => globalThis.sharekanPage?.state.ready === true);
      ensure(models() === before, `${models() - before} files are fetched again that the browser has`);
      // Both at once, in the order that the user happens to choose them.
      await page.setInputFiles('#model', [HEADS.dense, NET]);
      await page.waitForFunction(() => /head dense.safetensors, backbone conv_no_bias.onnx/.test(document.getElementById('own-text').textContent));
      await idle(page);
      const notices = await page.evaluate(() => [...document.getElementById('notices').children].map((own) => own.firstChild.textContent));
      ensure(notices.every((text) => /^Assumed of the head/.test(text)), notices.join('; '));
      const [expected] = native(HEADS.dense, NET, [pictures[0]], { score: 0.5, nms: 0.4 }, ['--device', 'cpu', '--backbone-device', 'cpu']);
      await page.evaluate((base64) => {
        const pasted = new DataTransfer();
        pasted.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'pasted.png', { type: 'image/png' }));
        dispatchEvent(new ClipboardEvent('paste', { clipboardData: pasted }));
      }, readFileSync(pictures[0]).toString('base64'));
      await page.waitForFunction(() => globalThis.sharekanPage.state.found?.name === 'pasted.png');
      same((await found(page)).detections, expected, 0.5, 'pasted picture');
      // A video of two seconds, in a loop.
      const video = join(folder, 'clip.webm');
      execFileSync('ffmpeg', ['-loglevel', 'error', '-loop', '1', '-i', pictures[0], '-t', '2', '-r', '30', '-c:v', 'libvpx', '-b:v', '1M', video]);
      await page.selectOption('#cap', '10');
      await page.setInputFiles('#file', video);
      await page.waitForFunction(() => globalThis.sharekanPage.state.live?.kind === 'video' && globalThis.sharekanPage.state.frames.length > 3);
      ensure((await found(page)).name === 'clip.webm', 'no frame of the video was looked at');
      const frames = async (milliseconds) => {
        await page.evaluate(() => (globalThis.sharekanPage.state.frames = []));
        await page.waitForTimeout(milliseconds);
        return page.evaluate(() => globalThis.sharekanPage.state.frames.length);
      };
      const capped = await frames(2000);
      ensure(capped >= 2 && capped <= 22, `${capped} frames in two seconds, at most ten a second were asked for`);
      const hide = (hidden) =>
        page.evaluate((value) => {
          Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
          document.dispatchEvent(new Event('visibilitychange'));
        }, hidden);
      await hide(true);
      await page.waitForTimeout(700);
      const unseen = await frames(1000);
      ensure(unseen === 0, `${unseen} frames while the page is hidden`);
      await hide(false);
      await page.waitForFunction(() => globalThis.sharekanPage.state.frames.length > 1);
      await page.click('#stop');
      // The camera's other side.
      await page.evaluate(() => {
        globalThis.asked = [];
        navigator.mediaDevices.getUserMedia = async ({ video }) => {
          globalThis.asked.push(video.facingMode);
          throw new DOMException('none', 'NotFoundError');
        };
        document.getElementById('flip').hidden = false;
      });
      await page.click('#camera');
      await page.click('#flip');
      await page.waitForFunction(() => globalThis.asked.length === 2);
      const asked = await page.evaluate(() => [...new Set(globalThis.asked)].sort().join());
      ensure(asked === 'environment,user', `the cameras asked for: ${asked}`);
      ensure(/camera does not start/.test(await page.textContent('#notices')), 'nothing is said of a camera that is not there');
      await page.evaluate(() => (document.getElementById('reset-model').closest('details').open = true));
      await page.click('#reset-model');
      await page.waitForFunction(() => document.getElementById('reset-model').hidden && globalThis.sharekanPage.state.ready);
      ensure(!own.problems.length, own.problems.join('; '));
      return `${expected.length} boxes in a pasted picture, ${capped} frames of a video in two seconds at most ten a second, none while hidden`;
    } finally {
      await own.browser.close();
    }
  },
};

if (!process.env.CHROMIUM || !process.env.SHAREKAN) throw new Error('run web/test, which sets CHROMIUM and SHAREKAN');
/** Checks in a browser that an earlier check opens. */
const IN = {
  opens: ['a full frame on WebGPU', 'screenshot, 1280 pixels', 'small network on WebGPU', 'verify', 'device lost', 'nothing went wrong on WebGPU'],
  'no WebGPU: the CPU': ['small network on the CPU', 'ten bad files', 'save', 'nothing went wrong on the CPU'],
};
const wanted = process.argv.slice(2);
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  if (wanted.length && !wanted.includes(name) && !IN[name]?.some((own) => wanted.includes(own))) continue;
  const begin = performance.now();
  try {
    const text = await check();
    console.log(`ok    ${name} (${((performance.now() - begin) / 1000).toFixed(1)} s): ${text}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name} (${((performance.now() - begin) / 1000).toFixed(1)} s): ${error.message.split('\n').slice(0, 3).join(' ')}`);
    const open = cpu ?? gpu;
    if (open) {
      await open.page.screenshot({ path: join(SHOTS, `failed-${failed}.png`) }).catch(() => {});
      console.log(`      ${open.problems.slice(0, 5).join('; ')}`);
    }
    if (name in IN) break;
  }
}
await gpu?.browser.close();
await cpu?.browser.close();
server.close();
console.log(failed ? `web/test: ${failed} checks failed` : 'web/test: all checks passed');
process.exit(failed ? 1 : 0);
