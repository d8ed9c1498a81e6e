// sharekan in a browser: heads (.safetensors) and backbones (ONNX) from bytes, pictures to boxes.
// Runs on WebGPU, or on the CPU in wasm where that is missing. Works in pages and in module workers.

import init, { Backbone, Detector, Device } from './sharekan_web.js';

let started;

/** Loads the wasm module once; `wasm` is a URL, a Response or bytes of it, beside this file where it is left out. */
export function start(wasm) {
  started ??= init(wasm === undefined ? undefined : { module_or_path: wasm }).catch((error) => {
    started = undefined;
    throw error;
  });
  return started;
}

/** The bytes of whatever holds them. */
async function bytesOf(what, name) {
  if (what instanceof Uint8Array) return what;
  if (what instanceof ArrayBuffer) return new Uint8Array(what);
  if (ArrayBuffer.isView(what)) return new Uint8Array(what.buffer, what.byteOffset, what.byteLength);
  if (typeof Blob !== 'undefined' && what instanceof Blob) return new Uint8Array(await what.arrayBuffer());
  if (typeof what === 'string' || what instanceof URL) what = await fetch(what);
  if (typeof Response !== 'undefined' && what instanceof Response) {
    if (!what.ok) throw new Error(`the ${name} did not load: ${what.url} gives ${what.status}`);
    return new Uint8Array(await what.arrayBuffer());
  }
  throw new TypeError(`the ${name} is neither bytes nor a URL`);
}

const isA = (what, name) => typeof globalThis[name] === 'function' && what instanceof globalThis[name];

/** Width and height of a picture, in its own pixels. */
function sizeOf(source) {
  if (isA(source, 'VideoFrame')) return [source.displayWidth, source.displayHeight];
  if (isA(source, 'HTMLVideoElement')) return [source.videoWidth, source.videoHeight];
  if (isA(source, 'HTMLImageElement')) return [source.naturalWidth, source.naturalHeight];
  return [source.width, source.height];
}

/** What heads run on: the browser's GPU, or the CPU. One device serves any number of heads. */
export class SharekanDevice {
  #inner;

  constructor(inner) {
    this.#inner = inner;
    const gpu = inner.gpuDevice();
    /** The `GPUDevice`; undefined on the CPU. @type {GPUDevice | undefined} */
    this.gpuDevice = gpu;
    /** Resolves to a text when the device is lost; never on the CPU. @type {Promise<string>} */
    this.lost = gpu ? gpu.lost.then((info) => `${info.reason}: ${info.message}`.replace(/: $/, '')) : new Promise(() => {});
  }

  /** Opens `gpu`, `cpu`, or with `auto` a GPU where there is one that is no software, else the CPU. */
  static async open(kind = 'auto', { wasm } = {}) {
    await start(wasm);
    if (kind !== 'cpu' && !globalThis.navigator?.gpu) {
      if (kind === 'gpu') throw new Error('this browser has no WebGPU');
      const device = new SharekanDevice(await Device.open('cpu'));
      device.missing = 'this browser has no WebGPU';
      return device;
    }
    return new SharekanDevice(await Device.open(kind));
  }

  /** What the device is: `{ kind, adapter, limits, features, note, simd }`. */
  describe() {
    const report = this.#inner.report();
    const gpu = this.gpuDevice;
    if (this.missing) report.note = this.missing;
    if (!gpu) return report;
    const info = gpu.adapterInfo ?? {};
    const limits = {};
    for (const name in gpu.limits) limits[name] = gpu.limits[name];
    const { vendor = '', architecture = '', device = '', description = '' } = info;
    return { ...report, info: { vendor, architecture, device, description }, limits, features: [...gpu.features].sort() };
  }

  /** Destroys the device and everything on it. */
  dispose() {
    this.#inner.destroy();
    this.#inner.free();
  }

  /** For this module alone. */
  get inner() {
    return this.#inner;
  }
}

/** A backbone that several heads share. */
export class SharekanBackbone {
  constructor(inner) {
    this.inner = inner;
  }

  /** Reads an ONNX file; `name` stands for it in messages. */
  static async load(backbone, { name = 'the backbone', wasm } = {}) {
    await start(wasm);
    return new SharekanBackbone(new Backbone(await bytesOf(backbone, 'backbone'), name));
  }

  dispose() {
    this.inner.free();
  }
}

/** A head, or the heads of a bank, behind a backbone. */
export class Sharekan {
  #inner;
  #device;
  #ownDevice;
  #queue = Promise.resolve();
  #canvas;
  #disposed = false;

  constructor(inner, device, ownDevice) {
    this.#inner = inner;
    this.#device = device;
    this.#ownDevice = ownDevice;
  }

  /**
   * Loads a head, and the backbone in front of it.
   * `head` and `backbone` are bytes, URLs, Blobs or Responses; `backbone` may be a SharekanBackbone, or left out where only
   * features are run. `config` is the text of a JSON file that says how the outputs mean boxes, for heads that do not say so.
   */
  static async load({ head, backbone, config, device = 'auto', wasm } = {}) {
    if (head === undefined) throw new TypeError('there is no head: Sharekan.load({ head, backbone })');
    await start(wasm);
    const own = !(device instanceof SharekanDevice);
    const on = own ? await SharekanDevice.open(device) : device;
    try {
      let network;
      if (backbone instanceof SharekanBackbone) network = backbone.inner.share();
      else if (backbone !== undefined) network = new Backbone(await bytesOf(backbone, 'backbone'), 'the backbone');
      const bytes = await bytesOf(head, 'head');
      const inner = await Detector.load(on.inner, bytes, network, config);
      return new Sharekan(inner, on, own);
    } catch (error) {
      if (own) on.dispose();
      throw error;
    }
  }

  /** The device. @returns {SharekanDevice} */
  get device() {
    return this.#device;
  }

  /** What the head is: form, sizes, classes, what was assumed, and what a frame costs on the device. */
  describe() {
    return this.#inner.describe();
  }

  /** One after the other: a head does one thing at a time. */
  #next(work) {
    const done = this.#queue.then(() => {
      if (this.#disposed) throw new Error('the head was disposed of');
      return work();
    });
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Changes which boxes are kept, from the next picture on. */
  setOptions({ score = 0.3, nms = 0.5, maxDetections = 100 } = {}) {
    return this.#next(() => this.#inner.setOptions(score, nms, maxDetections));
  }

  /**
   * The boxes in a picture, strongest first: `[{ class, score, box: [left, upper, right, lower] }]` in its pixels, and `head` of
   * a bank. A VideoFrame stays open: closing it is up to the caller, once the promise is settled.
   */
  async detect(source) {
    return (await this.detectTimed(source)).detections;
  }

  /** The boxes, the picture's size and the milliseconds that it took: `{ detections, width, height, times }`. */
  detectTimed(source) {
    return this.#next(() => this.#detect(source));
  }

  async #detect(source) {
    if (isA(source, 'ImageData')) {
      return this.#inner.detectPixels(new Uint8Array(source.data.buffer, source.data.byteOffset, source.data.byteLength), source.width, source.height);
    }
    if (isA(source, 'Blob')) {
      const bitmap = await createImageBitmap(source, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
      try {
        return await this.#detect(bitmap);
      } finally {
        bitmap.close();
      }
    }
    const known = ['ImageBitmap', 'VideoFrame', 'OffscreenCanvas', 'HTMLCanvasElement', 'HTMLVideoElement', 'HTMLImageElement'];
    if (!known.some((name) => isA(source, name))) {
      throw new TypeError('the picture is no ImageBitmap, VideoFrame, ImageData, Blob, canvas, video or image');
    }
    const [width, height] = sizeOf(source);
    if (!(width > 0 && height > 0)) throw new Error('the picture has no pixels: a video has to have a frame, a bitmap to be open');
    const most = this.#device.gpuDevice ? this.#device.gpuDevice.limits.maxTextureDimension2D : 16384;
    const scale = Math.min(1, most / Math.max(width, height));
    const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    let found;
    if (!this.#device.gpuDevice) {
      const image = this.#pixels(source, w, h);
      found = await this.#inner.detectPixels(new Uint8Array(image.data.buffer), w, h);
    } else if (scale < 1 || isA(source, 'HTMLImageElement')) {
      const bitmap = await createImageBitmap(source, { resizeWidth: w, resizeHeight: h, resizeQuality: 'high', premultiplyAlpha: 'none' });
      try {
        found = await this.#inner.detectSource(bitmap);
      } finally {
        bitmap.close();
      }
    } else {
      found = await this.#inner.detectSource(source);
    }
    if (scale === 1) return found;
    for (const detection of found.detections) {
      detection.box = detection.box.map((value, at) => value * (at % 2 ? height / h : width / w));
    }
    return { ...found, width, height };
  }

  #pixels(source, width, height) {
    this.#canvas ??= typeof OffscreenCanvas === 'undefined' ? document.createElement('canvas') : new OffscreenCanvas(1, 1);
    const canvas = this.#canvas;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(source, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  }

  /**
   * Runs rows of features, `[rows, inputs]`, and gives `[rows, outputs]`.
   * A `GPUBuffer` must be of `device.gpuDevice`. That of `featureBuffer` is read where it lies; another one, with the usage
   * COPY_SRC, costs a copy on the device. `rows` says how many of its rows count.
   */
  runFeatures(features, rows) {
    return this.#next(async () => {
      if (features instanceof Float32Array) return this.#inner.runFeatures(features);
      const gpu = this.#device.gpuDevice;
      if (!gpu || !isA(features, 'GPUBuffer')) throw new TypeError('the features are neither a Float32Array nor a GPUBuffer of this device');
      const { inputs } = this.#inner.describe();
      rows ??= Math.floor(features.size / (4 * inputs));
      const own = await this.#inner.featureBuffer(rows);
      if (features !== own) {
        gpu.pushErrorScope('validation');
        const encoder = gpu.createCommandEncoder();
        encoder.copyBufferToBuffer(features, 0, own, 0, 4 * rows * inputs);
        gpu.queue.submit([encoder.finish()]);
        const objection = await gpu.popErrorScope();
        if (objection) throw new Error(`the feature buffer is not taken: ${objection.message}`);
      }
      return this.#inner.runFeatureBuffer(rows);
    });
  }

  /** The buffer, `[rows, inputs]` of f32 on `device.gpuDevice`, that `runFeatures` reads without a copy. @returns {Promise<GPUBuffer>} */
  featureBuffer(rows) {
    return this.#next(() => this.#inner.featureBuffer(rows));
  }

  /** Compares every kernel of the head on the GPU with the CPU reference: `{ passed, largest_error, checks }`. */
  verify({ rows = 32 } = {}) {
    return this.#next(() => this.#inner.verify(rows));
  }

  /** Compares the backbone on the GPU with another runtime on the CPU, on a square ImageData of the head's input size. */
  verifyBackbone(image) {
    return this.#next(() => this.#inner.verifyBackbone(new Uint8Array(image.data.buffer), image.width));
  }

  /** Microseconds of the head at a batch of `rows`. */
  benchHead(rows) {
    return this.#next(() => this.#inner.benchHead(rows));
  }

  /** Milliseconds of device time by stage; null where the device has no timestamps. */
  benchFrame(image, rounds = 5) {
    return this.#next(() => this.#inner.benchFrame(new Uint8Array(image.data.buffer), image.width, image.height, rounds));
  }

  /** Frees the head, and the device where it was opened for it. What was asked before is done first. */
  async dispose() {
    await this.#queue;
    if (this.#disposed) return;
    this.#disposed = true;
    this.#inner.free();
    if (this.#ownDevice) this.#device.dispose();
  }
}
