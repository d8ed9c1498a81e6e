// In the browser: the same backbone and head here and in onnxruntime-web.

import { Sharekan } from '/site/sharekan/sharekan.js';

const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
const ROWS = 676;
const INPUTS = 1392;

/** Milliseconds of one run: the median of some, after one that does not count. */
async function time(run, seconds = 4) {
  await run();
  const times = [];
  const end = performance.now() + 1000 * seconds;
  do {
    const begin = performance.now();
    await run();
    times.push(performance.now() - begin);
  } while (performance.now() < end || times.length < 3);
  return times.sort((a, b) => a - b)[times.length >> 1];
}

const rows = Float32Array.from({ length: ROWS * INPUTS }, (_, n) => ((n * 0.6180339887498949) % 1) * 2 - 1);

globalThis.compare = {
  async ort(provider) {
    const ort = await import(provider === 'webgpu' ? '/ort/ort.webgpu.min.mjs' : '/ort/ort.wasm.min.mjs');
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = '/ort/';
    const options = { executionProviders: [provider], graphOptimizationLevel: 'all' };
    const found = { version: ort.env.versions?.common ?? ort.env.versions?.web };
    let session = await ort.InferenceSession.create(await bytes('/site/models/efficientnet_lite0.onnx'), options);
    const input = new ort.Tensor('float32', new Float32Array(3 * 416 * 416).fill(0.1), [1, 3, 416, 416]);
    found.backbone = await time(() => session.run({ input }, ['c4', 'head']));
    await session.release();
    session = await ort.InferenceSession.create(await bytes('/folder/head.onnx'), options);
    const own = new ort.Tensor('float32', rows, [ROWS, INPUTS]);
    found.head = await time(() => session.run({ rows: own }));
    found.outputs = [...(await session.run({ rows: own })).outputs.data.slice(0, 64)];
    await session.release();
    return found;
  },
  async sharekan(device) {
    const found = {};
    const image = new ImageData(416, 416);
    for (const [id, file] of [['dense', 'bccd-dense'], ['compressed', 'bccd']]) {
      const own = await Sharekan.load({ head: `/site/models/${file}.safetensors`, backbone: '/site/models/efficientnet_lite0.onnx', device });
      found[`head_${id}`] = await time(() => own.runFeatures(rows));
      if (id === 'dense') found.outputs = [...(await own.runFeatures(rows)).slice(0, 64)];
      else {
        found.frame = await time(() => own.detect(image));
        const { times } = await own.detectTimed(image);
        found.backbone = times.backbone ?? found.frame - found.head_compressed;
        const { dispatches, multiplications } = own.describe();
        Object.assign(found, { dispatches, multiplications });
      }
      await own.dispose();
    }
    return found;
  },
};
globalThis.ready = true;
