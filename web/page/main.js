// The page: what is looked at, with which head, and what is shown of it. All work is the worker's.

import { Client } from './client.js';
import { colour, drawBoxes } from './draw.js';

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const client = new Client();

const stage = { picture: $('picture'), video: $('video'), boxes: $('boxes') };
const state = {
  head: 'compressed',
  ready: false,
  device: undefined,
  classes: [],
  /** A still picture: an ImageBitmap, and its name. */
  still: undefined,
  /** What runs: `camera` or `video`, or nothing. */
  live: undefined,
  facing: 'environment',
  found: undefined,
  busy: false,
  again: false,
  /** Times at which the last frames came. */
  frames: [],
  kind: ['gpu', 'cpu'].includes(query.get('device')) ? query.get('device') : 'auto',
};

const megabytes = (bytes) => (bytes >= 1e5 ? `${(bytes / 1e6).toFixed(2)} MB` : `${(bytes / 1e3).toFixed(1)} kB`);
const milliseconds = (ms) => (ms >= 100 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`);
const words = (error) => (error instanceof Error ? error.message : String(error));

function element(name, text = '', properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  if (text !== '') made.textContent = text;
  return made;
}

/** Says something that stays until it is closed; the same once only. */
function notice(text) {
  const all = [...$('notices').children];
  if (all.some((own) => own.firstChild.textContent === text)) return;
  if (all.length >= 3) all[0].remove();
  const own = element('div', '', { className: 'notice' });
  const close = element('button', 'Close', { type: 'button' });
  close.onclick = () => own.remove();
  own.append(element('span', text), close);
  $('notices').append(own);
}

function loading(text, share) {
  $('loading').hidden = text === undefined;
  if (text !== undefined) $('loading-text').textContent = text;
  $('progress').hidden = share === undefined;
  if (share !== undefined) $('progress').value = share;
}

// ---- device and heads

async function openDevice() {
  chip('busy', 'looking for a GPU');
  try {
    state.device = await client.call('open', [state.kind]);
  } catch (error) {
    if (state.kind !== 'gpu') throw error;
    notice(`${words(error)}. The CPU is used instead.`);
    $('kind').value = state.kind = 'cpu';
    state.device = await client.call('open', ['cpu']);
  }
  showDevice();
}

function chip(kind, text) {
  $('device').dataset.state = kind;
  $('device-text').textContent = text;
}

function adapterName({ info, adapter }) {
  const parts = [info?.description || adapter?.name, info?.vendor, info?.architecture];
  return [...new Set(parts.filter(Boolean))].join(', ') || 'adapter without a name';
}

function showDevice() {
  const { device } = state;
  const list = $('adapter');
  list.replaceChildren();
  const row = (name, text) => list.append(element('dt', name), element('dd', text));
  if (device.kind === 'webgpu') {
    chip('ready', `WebGPU: ${adapterName(device)}`);
    row('Adapter', adapterName(device));
    row('Kind', device.adapter.type === 'cpu' ? 'software' : device.adapter.type);
    row('Workgroup memory', `${device.limits.maxComputeWorkgroupStorageSize} bytes`);
    row('Storage buffers a kernel', String(device.limits.maxStorageBuffersPerShaderStage));
    row('Largest buffer', megabytes(device.limits.maxBufferSize));
    row('f16 in kernels', device.features.includes('shader-f16') ? 'yes' : 'no');
    row('Timestamps', device.features.includes('timestamp-query') ? 'yes' : 'no');
    const table = element('table');
    for (const [name, value] of Object.entries(device.limits)) {
      const line = element('tr');
      line.append(element('td', name), element('td', String(value)));
      table.append(line);
    }
    $('limits').replaceChildren(table, element('p', `Features: ${device.features.join(', ') || 'none'}`));
  } else {
    chip('slow', 'CPU, wasm with SIMD');
    row('Runs on', 'CPU, in wasm with SIMD');
    if (device.note) {
      row('Why', device.note);
      if (state.kind !== 'cpu') {
        const why = `${device.note[0].toUpperCase()}${device.note.slice(1)}`;
        notice(`${why}, so everything runs on the CPU: well for pictures, slowly for a camera. Chrome and Edge have WebGPU, Safari from version 26, Firefox on Windows and Apple silicon.`);
      }
    }
    $('limits').replaceChildren();
  }
}

async function openHead(id, own) {
  state.ready = false;
  buttons();
  loading(`Loading the ${id === 'own' ? 'head' : `${id} head`}`);
  try {
    const about = await client.call('head', own ? [id, own] : [id]);
    state.head = id;
    state.about = about;
    state.classes = about.heads.flatMap((head) => head.classes);
    state.ready = true;
    showLoads(id, about);
    if (about.assumed.length) notice(`Assumed of the head: ${about.assumed.join('; ')}.`);
    return true;
  } finally {
    loading();
    buttons();
  }
}

const loads = new Map();

function showLoads(id, { bytes, times, backbone }) {
  const took = (seconds, cached) => (cached ? 'cached' : seconds === undefined ? '' : `${seconds.toFixed(2)} s`);
  if (backbone.bytes) loads.set('backbone', ['Backbone, f16', megabytes(backbone.bytes), took(backbone.seconds, backbone.cached), '']);
  const name = { compressed: 'Compressed head', dense: 'Dense head', bank: 'Bank of three heads', own: $('own-name').textContent }[id];
  loads.set(id, [name, megabytes(bytes), took(times.download, times.cached), `${times.open.toFixed(2)} s`]);
  const rows = [...loads.values()].map((cells) => {
    const row = element('tr');
    row.append(...cells.map((cell) => element('td', cell)));
    return row;
  });
  $('loads').replaceChildren(...rows);
}

async function chooseHead(id) {
  const before = state.head;
  try {
    await openHead(id, id === 'own' ? state.own : undefined);
    again();
  } catch (error) {
    notice(words(error));
    check(before);
    if (before !== id) await openHead(before, before === 'own' ? state.own : undefined).catch((problem) => notice(words(problem)));
  }
}

const check = (id) => {
  document.querySelector(`input[name=head][value=${id}]`).checked = true;
};

// ---- pictures

/** Shows a still picture and looks at it. */
async function showStill(blob, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
  } catch {
    throw new Error(`${name}: this browser reads no picture out of it`);
  }
  stopLive();
  state.still?.bitmap.close();
  state.still = { bitmap, name };
  setSize(bitmap.width, bitmap.height);
  stage.picture.getContext('2d').drawImage(bitmap, 0, 0, stage.picture.width, stage.picture.height);
  stage.picture.hidden = false;
  stage.video.hidden = true;
  await again();
}

/** Sizes of the canvases; what is shown of huge pictures is smaller than they are. */
function setSize(width, height) {
  const scale = Math.min(1, 2048 / Math.max(width, height));
  const size = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  for (const canvas of [stage.picture, stage.boxes]) {
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  }
}

/** Looks at the still picture again: with another head or other settings. */
async function again() {
  if (!state.still || state.live || !state.ready) return;
  if (state.busy) {
    state.again = true;
    return;
  }
  state.busy = true;
  stage.boxes.getContext('2d').clearRect(0, 0, stage.boxes.width, stage.boxes.height);
  try {
    do {
      state.again = false;
      const { bitmap, name } = state.still;
      const copy = await createImageBitmap(bitmap);
      const found = await client.call('detect', [state.head, copy], [copy]);
      if (!state.live) show(found, name);
    } while (state.again && state.ready && state.still);
  } catch (error) {
    if (!(await recovered(error))) notice(words(error));
  } finally {
    state.busy = false;
  }
}

function show(found, name) {
  state.found = { ...found, name };
  setSize(found.width, found.height);
  const context = stage.boxes.getContext('2d');
  paint(context, stage.boxes, found);
  const counts = new Map();
  for (const { class: own } of found.detections) counts.set(own, (counts.get(own) ?? 0) + 1);
  const parts = [...counts].map(([own, count]) => `${count} ${own}`);
  const text = parts.length ? parts.join(', ') : `Nothing above a score of ${Number($('score').value).toFixed(2)}`;
  if (!state.live || performance.now() - (state.said ?? 0) > 2000) {
    // A screen reader is not told of every frame.
    $('summary').textContent = text;
    state.said = performance.now();
  }
  stage.picture.setAttribute('aria-label', `${name}: ${text}`);
  const most = found.detections.slice(0, 24).map(({ class: own, score, head }) => {
    const item = element('li', '', head ? { title: head } : {});
    item.append(swatch(Math.max(0, state.classes.indexOf(own))), element('span', `${own} ${score.toFixed(2)}`));
    return item;
  });
  if (found.detections.length > 24) most.push(element('li', `and ${found.detections.length - 24} more`));
  $('found').replaceChildren(...most);
  showTimes(found.times);
  buttons();
}

function swatch(at) {
  const own = element('span', '', { className: 'swatch' });
  own.style.background = colour(at);
  return own;
}

function paint(context, canvas, found) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  overlay(context, canvas, found);
}

function overlay(context, canvas, found) {
  const scale = canvas.width / found.width;
  const shown = Math.max(1, canvas.width / Math.max(1, $('stage').clientWidth));
  const detections = found.detections.map((own) => ({ ...own, box: own.box.map((value) => value * scale) }));
  drawBoxes(context, detections, state.classes, shown);
}

const STAGES = { send: 'to the device', device: 'device, all stages', letterbox: 'letterbox', backbone: 'backbone', join: 'join', head: 'head', candidates: 'candidates', decode: 'boxes' };

function showTimes({ total, ...stages }, what = 'a frame') {
  $('time').textContent = `${milliseconds(total)} ${what}`;
  const names = Object.keys(STAGES).filter((name) => stages[name] !== undefined);
  const sum = names.reduce((all, name) => all + stages[name], 0) || 1;
  $('stages').replaceChildren(
    ...names.map((name, at) => {
      const bar = element('span');
      bar.style.flex = String(Math.max(0.002, stages[name] / sum));
      bar.style.background = colour(at);
      return bar;
    }),
  );
  $('stage-list').replaceChildren(
    ...names.map((name, at) => {
      const item = element('li');
      item.append(swatch(at), element('span', `${STAGES[name]} ${milliseconds(stages[name])}`));
      return item;
    }),
  );
}

// ---- camera and videos

async function startCamera() {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error('this browser gives no camera to this page: it has to come over https');
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: state.facing, width: { ideal: 1280 }, height: { ideal: 720 } }, audio: false });
  } catch (error) {
    throw new Error(error.name === 'NotAllowedError' ? 'the camera was not allowed: the browser asks once, and its settings change it' : `the camera does not start: ${words(error)}`);
  }
  stopLive();
  stage.video.srcObject = stream;
  stream.getVideoTracks()[0].addEventListener('ended', () => stopLive());
  const facing = stream.getVideoTracks()[0].getSettings().facingMode;
  await startLive('camera', 'camera', facing !== 'environment' && state.facing === 'user');
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === 'videoinput');
  $('flip').hidden = cameras.length < 2;
}

async function startVideo(blob, name) {
  stopLive();
  stage.video.srcObject = null;
  stage.video.src = URL.createObjectURL(blob);
  try {
    await startLive('video', name, false);
  } catch {
    stopLive();
    throw new Error(`${name}: this browser plays no video out of it`);
  }
}

async function startLive(kind, name, mirrored) {
  await stage.video.play();
  state.live = { kind, name };
  state.frames = [];
  stage.video.classList.toggle('mirror', mirrored);
  state.live.mirrored = mirrored;
  setSize(stage.video.videoWidth, stage.video.videoHeight);
  stage.boxes.getContext('2d').clearRect(0, 0, stage.boxes.width, stage.boxes.height);
  stage.picture.hidden = true;
  stage.video.hidden = false;
  $('stop').hidden = false;
  markSample();
  $('stage').scrollIntoView({ block: 'nearest' });
  loop(state.live);
}

function stopLive() {
  const { video } = stage;
  if (state.live) {
    // The last frame stays, as a picture.
    const { videoWidth: width, videoHeight: height } = video;
    if (width) {
      setSize(width, height);
      stage.picture.getContext('2d').drawImage(video, 0, 0, stage.picture.width, stage.picture.height);
    }
  }
  state.live = undefined;
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  if (video.src) URL.revokeObjectURL(video.src);
  video.srcObject = null;
  video.removeAttribute('src');
  video.hidden = true;
  stage.picture.hidden = false;
  $('stop').hidden = $('flip').hidden = $('rate').hidden = true;
}

const nextFrame = () =>
  new Promise((resolve) => {
    if (stage.video.requestVideoFrameCallback) stage.video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
    // A video that stands still gives no frame; the loop goes on all the same.
    setTimeout(resolve, 500);
  });

const visible = () =>
  document.hidden ? new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true })) : undefined;

async function loop(own) {
  let last = 0;
  while (state.live === own) {
    await visible();
    await nextFrame();
    if (state.live !== own) break;
    const now = performance.now();
    // A frame that comes a little early is taken.
    if (!state.ready || now - last < 1000 / Number($('cap').value) - 4 || stage.video.readyState < 2) continue;
    last = now;
    try {
      const frame = await grab(stage.video);
      const found = await client.call('detect', [state.head, frame], [frame]);
      if (state.live !== own) break;
      show(own.mirrored ? mirror(found) : found, own.name);
      rate();
    } catch (error) {
      if (state.live === own && !(await recovered(error))) {
        notice(words(error));
        stopLive();
      }
    }
  }
}

/** The frame that a video shows. */
async function grab(video) {
  return createImageBitmap(video);
}

const mirror = (found) => ({
  ...found,
  detections: found.detections.map((own) => ({ ...own, box: [found.width - own.box[2], own.box[1], found.width - own.box[0], own.box[3]] })),
});

function rate() {
  const now = performance.now();
  state.frames = [...state.frames.filter((time) => now - time < 4000), now];
  const [first] = state.frames;
  $('rate').hidden = state.frames.length < 2;
  if (state.frames.length > 1) $('rate').textContent = `${((1000 * (state.frames.length - 1)) / (now - first)).toFixed(1)} fps`;
}

// ---- a device that is lost

let recovering;

/** Opens all anew where an error is that of a lost device; true where the page goes on. */
async function recovered(error) {
  if (recovering) return recovering;
  if (!/lost|destroyed|not loaded yet|worker/i.test(words(error))) return false;
  return recover();
}

function recover() {
  recovering ??= (async () => {
    try {
      await openDevice();
      await openHead(state.head, state.head === 'own' ? state.own : undefined);
      return true;
    } catch (error) {
      chip('failed', 'no device');
      notice(words(error));
      return false;
    } finally {
      recovering = undefined;
    }
  })();
  return recovering;
}

client.addEventListener('lost', async ({ detail }) => {
  notice(`The GPU was lost (${detail.reason}); it was opened again.`);
  state.ready = false;
  if (await recover()) await again();
});
client.addEventListener('restarted', async ({ detail }) => {
  notice(`The worker stopped (${detail.reason}) and was started again.`);
  state.restarts = (state.restarts ?? 0) + 1;
  if (state.restarts <= 3 && (await recover())) await again();
});
client.addEventListener('progress', ({ detail: { what, share } }) => loading(`Loading the ${what}: ${Math.round(100 * share)} %`, share));

// ---- files

/** Settings come before the backbone, and that before the head that needs it. */
function order(file) {
  const at = ['json', 'onnx'].indexOf(file.name.toLowerCase().split('.').pop());
  return at < 0 ? 2 : at;
}

/** Takes what was dropped, pasted or chosen; of a backbone that waits for the head beside it nothing is said. */
async function take(files) {
  const sorted = [...files].sort((a, b) => order(a) - order(b));
  for (const [at, file] of sorted.entries()) {
    try {
      await takeOne(file);
    } catch (error) {
      const headNext = sorted.slice(at + 1).some((other) => order(other) === 2 && !/^(image|video)\//.test(other.type));
      if (!(state.waiting?.name === file.name && headNext)) notice(words(error));
    }
  }
}

async function takeOne(file) {
  const ending = file.name.toLowerCase().split('.').pop();
  if (file.size === 0) throw new Error(`${file.name}: the file is empty`);
  if (['safetensors', 'pth', 'pt', 'ckpt'].includes(ending)) return takeHead(file);
  if (ending === 'onnx') return takeBackbone(file);
  if (ending === 'json') return takeConfig(file);
  if (file.type.startsWith('video/')) {
    await startVideo(file, file.name);
    return undefined;
  }
  if (file.type.startsWith('image/')) {
    markSample();
    return showStill(file, file.name);
  }
  throw new Error(`${file.name}: neither a picture or video nor a head (.safetensors, .pth), a backbone (.onnx) or settings (.json)`);
}

const MOST = 1 << 30;

async function read(file) {
  if (file.size > MOST) throw new Error(`${file.name}: ${megabytes(file.size)} are more than this page takes (1 GB)`);
  return new Uint8Array(await file.arrayBuffer());
}

async function takeHead(file) {
  const bytes = await read(file);
  const before = state.head;
  const name = $('own-name').textContent;
  $('own-name').textContent = file.name;
  try {
    await openWithWaiting({ bytes });
    state.own = { bytes };
    $('own-head').hidden = false;
    document.querySelector('[data-size=own]').textContent = megabytes(bytes.length);
    check('own');
    ownText();
    await again();
  } catch (error) {
    $('own-name').textContent = name;
    check(before);
    await openHead(before, before === 'own' ? state.own : undefined).catch(() => {});
    throw new Error(`${file.name}: ${words(error)}`);
  }
}

/** Opens a head of the user's: on the backbone that waits for one, if one does, else on the one in use. */
async function openWithWaiting(own) {
  const { waiting } = state;
  if (!waiting) return openHead('own', own);
  await client.call('backbone', [waiting]);
  try {
    await openHead('own', own);
    state.backbone = waiting.name;
    state.waiting = undefined;
  } catch (error) {
    await client.call('backbone', [undefined]);
    state.backbone = undefined;
    await openHead('own', own).catch(() => {
      throw error;
    });
  }
  return undefined;
}

async function takeBackbone(file) {
  const bytes = await read(file);
  await client.call('backbone', [{ bytes, name: file.name }]);
  try {
    await openHead(state.head, state.head === 'own' ? state.own : undefined);
    state.backbone = file.name;
    state.waiting = undefined;
    ownText();
    await again();
  } catch (error) {
    // The network may be meant for a head that comes next; until then the page's own is in its place.
    await client.call('backbone', [undefined]);
    state.backbone = undefined;
    state.waiting = { bytes, name: file.name };
    ownText();
    await openHead(state.head, state.head === 'own' ? state.own : undefined).catch(() => {});
    throw new Error(`${words(error)}; ${file.name} is kept for the next head that is dropped`);
  }
}

async function takeConfig(file) {
  const text = new TextDecoder().decode(await read(file));
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`${file.name}: ${words(error)}`);
  }
  await client.call('config', [text]);
  if (!state.own) {
    notice(`${file.name} is kept for the next head that is dropped.`);
    return;
  }
  try {
    await openHead('own', state.own);
    check('own');
    await again();
  } catch (error) {
    await client.call('config', [undefined]);
    await openHead('own', state.own).catch(() => {});
    throw new Error(`${file.name}: ${words(error)}`);
  }
}

function ownText() {
  const parts = [];
  if (state.own) parts.push(`head ${$('own-name').textContent}`);
  if (state.backbone) parts.push(`backbone ${state.backbone}`);
  $('own-text').textContent = parts.length ? `In use: ${parts.join(', ')}.` : '';
  $('reset-model').hidden = !parts.length;
}

async function resetModels() {
  await client.call('backbone', [undefined]);
  await client.call('config', [undefined]);
  state.own = state.backbone = state.waiting = undefined;
  $('own-head').hidden = true;
  loads.delete('own');
  check('compressed');
  ownText();
  await openHead('compressed');
  await again();
}

function download(blob, name) {
  const link = element('a', '', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const baseName = () => (state.found?.name ?? 'picture').replace(/\.[^.]*$/, '').replace(/[^\w-]+/g, '_') || 'picture';

function savePicture() {
  const { found } = state;
  const canvas = element('canvas');
  [canvas.width, canvas.height] = [found.width, found.height];
  const context = canvas.getContext('2d');
  if (state.live?.mirrored) context.setTransform(-1, 0, 0, 1, canvas.width, 0);
  context.drawImage(state.live ? stage.video : (state.still?.bitmap ?? stage.picture), 0, 0, canvas.width, canvas.height);
  context.setTransform(1, 0, 0, 1, 0, 0);
  overlay(context, canvas, found);
  canvas.toBlob((blob) => download(blob, `${baseName()}.png`), 'image/png');
}

function saveJson() {
  const { name, width, height, detections } = state.found;
  const record = { image: name, width, height, detections };
  download(new Blob([`${JSON.stringify(record, null, 2)}\n`], { type: 'application/json' }), `${baseName()}.json`);
}

// ---- the check of the device

async function square(side) {
  return state.still ? createImageBitmap(state.still.bitmap, { resizeWidth: side, resizeHeight: side }) : createImageBitmap(stage.picture);
}

async function checkDevice() {
  const result = $('check-result');
  result.className = '';
  result.textContent = 'Checking every kernel against the CPU';
  $('check').disabled = true;
  try {
    const picture = await square(416);
    const report = await client.call('verify', [state.head, picture], [picture]);
    result.className = report.passed ? 'good' : 'bad';
    const worst = report.largest_error === null ? 'not finite' : report.largest_error.toExponential(1);
    result.textContent = `${report.passed ? 'Passed' : 'Failed'}: ${report.checks.length} checks, largest error ${worst} of the largest output`;
    const table = element('table');
    const top = element('tr');
    top.append(...['Kernel', 'Rows', 'Error', 'Allowed'].map((text) => element('th', text, { scope: 'col' })));
    table.append(top);
    for (const own of report.checks) {
      const row = element('tr');
      const error = element('td', own.error === null ? 'not finite' : own.error.toExponential(1), { className: own.passed ? 'good' : 'bad' });
      row.append(element('td', own.kernel), element('td', String(own.rows)), error, element('td', own.tolerance.toExponential(0)));
      table.append(row);
    }
    $('checks').replaceChildren(table);
    $('checks').hidden = false;
    return report;
  } catch (error) {
    result.className = 'bad';
    result.textContent = words(error);
    return undefined;
  } finally {
    buttons();
  }
}

async function timeStages() {
  $('stages-run').disabled = true;
  try {
    const picture = await createImageBitmap(state.still?.bitmap ?? stage.picture);
    const { frame, wall } = await client.call('bench', [state.head, picture, []], [picture]);
    if (!frame) {
      showTimes(wall);
      notice('This device gives no timestamps for a frame, so that its stages cannot be told apart.');
      return;
    }
    const { whole, ...stages } = frame;
    showTimes({ total: whole, ...stages }, 'a frame on the device');
  } catch (error) {
    notice(words(error));
  } finally {
    buttons();
  }
}

// ---- wiring

function buttons() {
  $('save-picture').disabled = $('save-json').disabled = !state.found;
  const gpu = state.ready && state.device?.kind === 'webgpu';
  $('check').disabled = $('stages-run').disabled = !gpu;
  if (state.ready && !gpu) $('check-result').textContent = 'There is no GPU to check: everything runs on the CPU.';
}

function markSample(button) {
  for (const own of $('samples').children) own.setAttribute('aria-pressed', String(own === button));
}

async function sample(path, button) {
  markSample(button);
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} did not load: the server says ${response.status}`);
  await showStill(await response.blob(), path.split('/').pop());
}

const guarded =
  (work) =>
  (...all) =>
    Promise.resolve(work(...all)).catch((error) => notice(words(error)));

for (const radio of document.querySelectorAll('input[name=head]')) radio.onchange = guarded(() => chooseHead(radio.value));
let settling;
for (const name of ['score', 'nms']) {
  $(name).oninput = () => {
    $(`${name}-out`).textContent = Number($(name).value).toFixed(2);
    clearTimeout(settling);
    settling = setTimeout(guarded(setOptions), 60);
  };
}
async function setOptions() {
  await client.call('options', [{ score: Number($('score').value), nms: Number($('nms').value) }]);
  await again();
}
$('pick').onclick = () => $('file').click();
$('file').onchange = () => take($('file').files).finally(() => ($('file').value = ''));
$('pick-model').onclick = () => $('model').click();
$('model').onchange = () => take([...$('model').files]).finally(() => ($('model').value = ''));
$('reset-model').onclick = guarded(resetModels);
$('camera').onclick = guarded(startCamera);
$('flip').onclick = guarded(() => {
  state.facing = state.facing === 'user' ? 'environment' : 'user';
  return startCamera();
});
$('stop').onclick = stopLive;
$('save-picture').onclick = savePicture;
$('save-json').onclick = saveJson;
$('check').onclick = checkDevice;
$('stages-run').onclick = timeStages;
$('kind').value = state.kind;
$('kind').onchange = guarded(async () => {
  state.kind = $('kind').value;
  await client.call('close', []);
  await openDevice();
  await openHead(state.head, state.head === 'own' ? state.own : undefined);
  await again();
});
addEventListener('paste', (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) take(files);
});
let depth = 0;
addEventListener('dragenter', () => ($('drop').hidden = (depth += 1) === 0));
addEventListener('dragleave', () => ($('drop').hidden = (depth -= 1) <= 0));
addEventListener('dragover', (event) => event.preventDefault());
addEventListener('drop', (event) => {
  event.preventDefault();
  depth = 0;
  $('drop').hidden = true;
  take([...event.dataTransfer.files]);
});
document.addEventListener('visibilitychange', () => {
  // Nothing runs while nobody looks.
  if (state.live?.kind === 'video') document.hidden ? stage.video.pause() : stage.video.play().catch(() => {});
});

async function begin() {
  loading('Starting');
  const manifest = await client.call('manifest');
  for (const [id, { bytes }] of Object.entries(manifest.heads)) {
    const own = document.querySelector(`[data-size=${id}]`);
    if (own) own.textContent = megabytes(bytes);
  }
  manifest.samples.forEach((path, at) => {
    const button = element('button', '', { type: 'button' });
    button.setAttribute('aria-label', `Sample ${at + 1}`);
    button.setAttribute('aria-pressed', 'false');
    button.append(element('img', '', { src: path, alt: '' }));
    button.onclick = guarded(() => sample(path, button));
    $('samples').append(button);
  });
  // The picture is there before the weights are.
  const first = $('samples').firstElementChild;
  const shown = first && query.get('sample') !== 'none' ? sample(manifest.samples[0], first) : undefined;
  await Promise.all([openDevice(), setOptions()]);
  await openHead('compressed');
  await shown;
  await again();
}

begin().catch((error) => {
  loading();
  chip('failed', 'not started');
  notice(words(error));
});

// For tests, and for the curious.
globalThis.sharekanPage = { client, state, take, checkDevice };
