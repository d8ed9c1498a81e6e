// Types of sharekan.js. With @webgpu/types, GPUDevice and GPUBuffer are those.

/// <reference lib="dom" />

type Bytes = Uint8Array | ArrayBuffer | ArrayBufferView | Blob | Response | URL | string;

export type Picture =
  | ImageBitmap
  | VideoFrame
  | ImageData
  | Blob
  | OffscreenCanvas
  | HTMLCanvasElement
  | HTMLVideoElement
  | HTMLImageElement;

export interface Detection {
  /** Name of the class. */
  class: string;
  /** How sure the head is, 0 to 1. */
  score: number;
  /** Left, upper, right and lower edge in pixels of the picture. */
  box: [number, number, number, number];
  /** Name of the head within its bank. */
  head?: string;
}

/** Milliseconds. On a GPU the host only hears of the end: `send` and `device`. */
export interface Times {
  total: number;
  send?: number;
  device?: number;
  letterbox?: number;
  backbone?: number;
  head?: number;
  decode?: number;
}

export interface Found {
  detections: Detection[];
  width: number;
  height: number;
  times: Times;
}

export interface Options {
  /** Lowest score of a box, 0 to 1; 0.3 where it is left out. */
  score?: number;
  /** Overlap above which the weaker of two boxes of a class is dropped, 0 to 1; 0.5 where it is left out. */
  nms?: number;
  /** Most boxes of a picture; 100 where it is left out. */
  maxDetections?: number;
}

export interface Check {
  passed: boolean;
  largest_error: number;
  checks: { kernel: string; rows: number; error: number | null; tolerance: number; passed: boolean }[];
}

export interface HeadDescription {
  form: 'dense' | 'compressed' | 'bank';
  bytes: number;
  inputs: number;
  outputs: number;
  heads: { name: string; classes: string[]; input_size: number }[];
  /** What the file does not say and was assumed. */
  assumed: string[];
  device_bytes?: number;
  dispatches?: number;
  multiplications?: number;
}

export interface DeviceDescription {
  kind: 'webgpu' | 'cpu';
  /** Why it is the CPU, where that was chosen. */
  note?: string | null;
  simd: boolean;
  adapter?: Record<string, unknown> | null;
  info?: { vendor: string; architecture: string; device: string; description: string };
  limits?: Record<string, number>;
  features?: string[];
}

/** Loads the wasm module once; beside this file where `wasm` is left out. */
export function start(wasm?: URL | string | Response | BufferSource | WebAssembly.Module): Promise<unknown>;

export class SharekanDevice {
  private constructor();
  static open(kind?: 'auto' | 'gpu' | 'cpu', options?: { wasm?: URL | string }): Promise<SharekanDevice>;
  /** The GPUDevice; undefined on the CPU. */
  readonly gpuDevice: any | undefined;
  /** Resolves to a text when the device is lost. */
  readonly lost: Promise<string>;
  describe(): DeviceDescription;
  dispose(): void;
}

export class SharekanBackbone {
  private constructor();
  static load(backbone: Bytes, options?: { name?: string; wasm?: URL | string }): Promise<SharekanBackbone>;
  dispose(): void;
}

export class Sharekan {
  private constructor();
  static load(options: {
    head: Bytes;
    backbone?: Bytes | SharekanBackbone;
    config?: string;
    device?: 'auto' | 'gpu' | 'cpu' | SharekanDevice;
    wasm?: URL | string;
  }): Promise<Sharekan>;
  readonly device: SharekanDevice;
  describe(): HeadDescription;
  setOptions(options?: Options): Promise<void>;
  detect(source: Picture): Promise<Detection[]>;
  detectTimed(source: Picture): Promise<Found>;
  /** `[rows, inputs]` to `[rows, outputs]`; a GPUBuffer must be of `device.gpuDevice`. */
  runFeatures(features: Float32Array | any /* GPUBuffer */, rows?: number): Promise<Float32Array>;
  featureBuffer(rows: number): Promise<any /* GPUBuffer */>;
  verify(options?: { rows?: number }): Promise<Check>;
  verifyBackbone(image: ImageData): Promise<Check>;
  benchHead(rows: number): Promise<{ rows: number; microseconds: number; runs: number }>;
  benchFrame(image: ImageData, rounds?: number): Promise<Record<string, number> | null>;
  dispose(): Promise<void>;
}
