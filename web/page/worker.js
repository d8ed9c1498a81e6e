// Everything that takes time, off the page's thread: downloads, the device, heads, pictures to boxes.

import { Sharekan, SharekanBackbone, SharekanDevice } from './sharekan/sharekan.js';
import { forgetOthers, load } from './models.js';

const base = new URL('./', import.meta.url);
let wanted = 'auto';
let device;
let manifest;
/** What the user dropped: `{ bytes, name }`. */
let ownBackbone;
let ownConfig;
let backbone;
/** Open heads by their id. */
const heads = new Map();
let options = {};
let closing;

const tell = (message) => postMessage(message);

async function openDevice() {
  device ??= SharekanDevice.open(wanted).then((opened) => {
    opened.lost.then((reason) => {
      // One that the page closed is no loss.
      if (opened === closing) return;
      // What lies on a lost device is gone; the next call opens another.
      device = undefined;
      heads.clear();
      tell({ event: 'lost', reason });
    });
    return opened;
  });
  try {
    return await device;
  } catch (error) {
    device = undefined;
    throw error;
  }
}

async function openBackbone() {
  backbone ??= (async () => {
    if (ownBackbone) return { network: await SharekanBackbone.load(ownBackbone.bytes, { name: ownBackbone.name }), seconds: 0 };
    manifest ??= await readManifest();
    const { bytes, cached, seconds } = await load(manifest.backbone, base, (share) => tell({ event: 'progress', what: 'backbone', share }));
    return { network: await SharekanBackbone.load(bytes), cached, seconds, bytes: bytes.length };
  })();
  try {
    return await backbone;
  } catch (error) {
    backbone = undefined;
    throw error;
  }
}

async function readManifest() {
  const response = await fetch(new URL('manifest.json', base));
  if (!response.ok) throw new Error(`manifest.json did not load: the server says ${response.status}`);
  return response.json();
}

const methods = {
  /** Opens the device: `auto`, `gpu` or `cpu`. */
  async open(kind) {
    wanted = kind;
    const opened = await openDevice();
    return opened.describe();
  },

  async manifest() {
    manifest ??= await readManifest();
    forgetOthers(manifest, base).catch(() => {});
    return manifest;
  },

  /** Loads a head of the manifest, or the user's own by its bytes. */
  async head(id, own) {
    if (own) heads.delete(id);
    if (!heads.has(id)) {
      manifest ??= await readManifest();
      const [on, network] = await Promise.all([openDevice(), openBackbone()]);
      const file = own ?? (await load(manifest.heads[id], base, (share) => tell({ event: 'progress', what: 'head', share })));
      const begin = performance.now();
      const head = await Sharekan.load({ head: file.bytes, backbone: network.network, config: own ? ownConfig : undefined, device: on });
      await head.setOptions(options);
      const times = { download: file.seconds, open: (performance.now() - begin) / 1000, cached: file.cached };
      heads.set(id, { head, times, bytes: file.bytes.length, backbone: { seconds: network.seconds, bytes: network.bytes, cached: network.cached } });
    }
    const { head, times, bytes, backbone: from } = heads.get(id);
    return { ...head.describe(), times, bytes, backbone: from };
  },

  /** Takes another backbone for all heads, or again the page's own; one that no head takes is not kept. */
  async backbone(file) {
    const network = file ? await SharekanBackbone.load(file.bytes, { name: file.name }) : undefined;
    network?.dispose();
    ownBackbone = file;
    backbone = undefined;
    await closeHeads();
  },

  /** The settings of the user's own heads, as text of a JSON file. */
  config(text) {
    ownConfig = text;
  },

  async options(next) {
    options = next;
    for (const { head } of heads.values()) await head.setOptions(options);
  },

  async detect(id, picture) {
    try {
      const open = heads.get(id);
      if (!open) throw new Error('the head is not loaded yet');
      return await open.head.detectTimed(picture);
    } finally {
      picture.close?.();
    }
  },

  /** The check of this device: the kernels of a head, and the backbone on a picture. */
  async verify(id, picture) {
    const { head } = heads.get(id);
    const side = head.describe().heads[0].input_size;
    const kernels = await head.verify({ rows: 32 });
    const network = await head.verifyBackbone(await square(picture, side));
    const checks = [...kernels.checks, ...network.checks];
    return { passed: kernels.passed && network.passed, largest_error: Math.max(kernels.largest_error, network.largest_error), checks };
  },

  /** The head at batches of rows, and a frame by stage. */
  async bench(id, picture, batches) {
    const { head } = heads.get(id);
    const speeds = [];
    for (const rows of batches) speeds.push(await head.benchHead(rows));
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext('2d');
    context.drawImage(picture, 0, 0);
    const image = context.getImageData(0, 0, picture.width, picture.height);
    const walls = [];
    for (let at = 0; at < 3; at += 1) walls.push((await head.detectTimed(image)).times);
    walls.sort((a, b) => a.total - b.total);
    return { head: speeds, frame: await head.benchFrame(image, 5), wall: walls[1], ...pick(head.describe()) };
  },

  /** Closes the device, so that another kind can be opened. */
  async close() {
    const last = await device?.catch(() => undefined);
    await closeHeads();
    device = undefined;
    closing = last;
    last?.dispose();
  },

  /** For tests: destroys the device as a driver's reset would. */
  async lose() {
    (await device)?.gpuDevice?.destroy();
  },
};

const pick = ({ form, dispatches, multiplications, device_bytes: deviceBytes }) => ({ form, dispatches, multiplications, device_bytes: deviceBytes });

async function closeHeads() {
  const open = [...heads.values()];
  heads.clear();
  for (const { head } of open) await head.dispose();
}

async function square(picture, side) {
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d');
  context.drawImage(picture, 0, 0, side, side);
  return context.getImageData(0, 0, side, side);
}

onmessage = async ({ data: { id, method, args } }) => {
  try {
    tell({ id, result: await methods[method](...args) });
  } catch (error) {
    tell({ id, error: error instanceof Error ? error.message : String(error), fatal: error instanceof WebAssembly.RuntimeError });
  }
};
tell({ event: 'ready' });
