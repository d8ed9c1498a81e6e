// Measures this device and makes a result that can be pasted into an issue.

import { Client } from './client.js';

const $ = (id) => document.getElementById(id);
const BATCHES = [1, 16, 169, 676];
const client = new Client();
const query = new URLSearchParams(location.search);
if (['gpu', 'cpu'].includes(query.get('device'))) $('kind').value = query.get('device');
let result;

const say = (text) => ($('status').textContent = text);
client.addEventListener('progress', ({ detail: { what, share } }) => say(`Loading the ${what}: ${Math.round(100 * share)} %`));
client.addEventListener('lost', ({ detail }) => say(`The GPU was lost: ${detail.reason}`));

function table(caption, heads, rows) {
  const own = document.createElement('table');
  own.createCaption().textContent = caption;
  const top = own.createTHead().insertRow();
  for (const text of heads) top.append(Object.assign(document.createElement('th'), { textContent: text, scope: 'col' }));
  const body = own.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    for (const text of cells) row.insertCell().textContent = text;
  }
  const card = document.createElement('section');
  card.className = 'card';
  card.append(own);
  return card;
}

const round = (value, digits = 2) => (value === undefined || value === null ? '' : Number(value.toPrecision(digits + 1)).toLocaleString('en'));

async function measure() {
  const begun = performance.now();
  const device = await client.call('open', [$('kind').value]);
  $('device').dataset.state = device.kind === 'webgpu' ? 'ready' : 'slow';
  const name = device.kind === 'webgpu' ? [...new Set([device.info.description, device.info.vendor, device.info.architecture].filter(Boolean))].join(', ') : 'CPU, wasm with SIMD';
  $('device-text').textContent = name;
  const manifest = await client.call('manifest');
  const blob = await (await fetch(manifest.samples[0])).blob();
  const picture = () => createImageBitmap(blob, { premultiplyAlpha: 'none', colorSpaceConversion: 'none' });
  result = { format: 'sharekan-web-bench', version: 1, date: new Date().toISOString(), browser: navigator.userAgent, cores: navigator.hardwareConcurrency, device, heads: {} };
  for (const id of ['compressed', 'dense']) {
    say(`Loading the ${id} head`);
    const about = await client.call('head', [id]);
    if (id === 'compressed') {
      say('The first frame');
      const first = await picture();
      const begin = performance.now();
      await client.call('detect', [id, first], [first]);
      result.first_boxes_seconds = about.times.open + (performance.now() - begin) / 1000;
      if (device.kind === 'webgpu') {
        say('Checking every kernel');
        const square = await createImageBitmap(blob, { resizeWidth: 416, resizeHeight: 416 });
        const { passed, largest_error: error, checks } = await client.call('verify', [id, square], [square]);
        result.verify = { passed, largest_error: error, checks: checks.length, failed: checks.filter((own) => !own.passed) };
      }
    }
    say(`Measuring the ${id} head`);
    const own = await picture();
    result.heads[id] = { bytes: about.bytes, open_seconds: about.times.open, ...(await client.call('bench', [id, own, BATCHES], [own])) };
  }
  result.seconds = (performance.now() - begun) / 1000;
}

function show() {
  const { heads, verify } = result;
  const { compressed, dense } = heads;
  const stages = ['letterbox', 'backbone', 'join', 'head', 'candidates', 'decode'];
  const of = (own) => own.frame ?? own.wall;
  const parts = [
    table('Milliseconds of a frame', ['Stage', 'Compressed', 'Dense'], [
      ...stages.filter((stage) => of(compressed)[stage] !== undefined).map((stage) => [stage, round(of(compressed)[stage]), round(of(dense)[stage])]),
      ...(compressed.frame ? [['on the device', round(compressed.frame.whole), round(dense.frame.whole)]] : []),
      ['from picture to boxes', round(compressed.wall.total), round(dense.wall.total)],
    ]),
    table('Microseconds of the head', ['Rows', 'Compressed', 'Dense'], BATCHES.map((rows, at) => [rows, round(compressed.head[at].microseconds), round(dense.head[at].microseconds)])),
    table('And', ['What', 'Compressed', 'Dense'], [
      ['size', `${(compressed.bytes / 1e6).toFixed(2)} MB`, `${(dense.bytes / 1e6).toFixed(2)} MB`],
      ...(compressed.dispatches ? [['dispatches a frame', compressed.dispatches, dense.dispatches], ['multiplications a frame', round(compressed.multiplications), round(dense.multiplications)]] : []),
      ...(verify ? [['check', verify.passed ? 'passed' : 'failed', `largest error ${verify.largest_error}`]] : []),
      ['first boxes after the download', `${round(result.first_boxes_seconds)} s`, ''],
    ]),
  ];
  $('results').replaceChildren(...parts);
  $('json').textContent = JSON.stringify(result, null, 1);
  $('copy').disabled = $('save').disabled = false;
}

$('run').onclick = async () => {
  $('run').disabled = true;
  try {
    await measure();
    show();
    say(`Measured in ${Math.round(result.seconds)} s.`);
  } catch (error) {
    $('device').dataset.state = 'failed';
    say(`It did not work: ${error.message}`);
  } finally {
    $('run').disabled = false;
  }
};
$('kind').onchange = () => client.call('close', []).catch(() => {});
$('copy').onclick = () => navigator.clipboard.writeText(JSON.stringify(result)).then(() => say('Copied.'), () => say('The browser does not let this page copy: save the file.'));
$('save').onclick = () => {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(new Blob([JSON.stringify(result, null, 1)], { type: 'application/json' })), download: 'sharekan-device.json' });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
globalThis.sharekanBench = { result: () => result };
