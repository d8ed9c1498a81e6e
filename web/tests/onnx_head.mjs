// A dense head in efficient-kan's layout as an ONNX network of standard operators: what runs it without sharekan.

const FLOAT = 1;

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
const number = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, value) => {
  const own = Buffer.from(value);
  return Buffer.concat([varint((field << 3) | 2), varint(own.length), own]);
};

const tensor = (name, dims, values) =>
  Buffer.concat([...dims.map((side) => number(1, side)), number(2, FLOAT), bytes(8, name), bytes(9, Buffer.from(values.buffer, values.byteOffset, values.byteLength))]);
const integers = (name, values) =>
  Buffer.concat([number(1, values.length), number(2, 7), bytes(8, name), bytes(9, Buffer.from(BigInt64Array.from(values.map(BigInt)).buffer))]);
const node = (operator, inputs, output) => Buffer.concat([...inputs.map((name) => bytes(1, name)), bytes(2, output), bytes(3, output), bytes(4, operator)]);
const port = (name, sides) => {
  const shape = Buffer.concat(sides.map((side) => bytes(1, typeof side === 'string' ? bytes(2, side) : number(1, side))));
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, Buffer.concat([number(1, FLOAT), bytes(2, shape)])))]);
};

/** The tensors of a safetensors file, as Float32Arrays with their shapes. */
export function safetensors(file) {
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length));
  const read = ({ shape, data_offsets: [from, to] }) => ({ shape, values: new Float32Array(Uint8Array.from(file.subarray(8 + length + from, 8 + length + to)).buffer) });
  return Object.fromEntries(Object.entries(header).filter(([name]) => name !== '__metadata__').map(([name, entry]) => [name, read(entry)]));
}

/** The network: input `rows` [N, inputs], output `outputs` [N, outputs]. */
export function headToOnnx(file) {
  const tensors = safetensors(file);
  const nodes = [];
  const constants = [];
  const constant = (name, dims, values) => (constants.push(tensor(name, dims, values)), name);
  const add = (operator, inputs, output) => (nodes.push(node(operator, inputs, output)), output);
  let at = 'rows';
  let inputs;
  let outputs;
  constant('low', [], Float32Array.of(-1));
  constant('high', [], Float32Array.of(1));
  for (let layer = 0; tensors[`layers.${layer}.grid`]; layer += 1) {
    const own = (name) => tensors[`layers.${layer}.${name}`];
    const [out, wide, count] = own('spline_weight').shape;
    inputs ??= wide;
    outputs = out;
    const knots = own('grid').values;
    const step = knots[1] - knots[0];
    const { weight, bias } = { weight: tensors[`norms.${layer}.weight`], bias: tensors[`norms.${layer}.bias`] };
    const named = (name) => `${name}${layer}`;
    at = add('Mul', [at, constant(named('weight'), [wide], weight.values)], named('scaled'));
    at = add('Add', [at, constant(named('bias'), [wide], bias.values)], named('shifted'));
    const z = add('Clip', [at, 'low', 'high'], named('z'));
    // Cubic splines by truncated powers: the fourth difference of relu(t - k)^3 / 6.
    constants.push(integers(named('axis'), [2]), integers(named('flat'), [-1, wide * count]));
    const powers = count + 4;
    const t = add('Mul', [add('Sub', [z, constant(named('first'), [], Float32Array.of(knots[0]))], named('from')), constant(named('each'), [], Float32Array.of(1 / step))], named('t'));
    const places = constant(named('places'), [1, 1, powers], Float32Array.from({ length: powers }, (_, k) => k));
    const positive = add('Relu', [add('Sub', [add('Unsqueeze', [t, named('axis')], named('column')), places], named('distance'))], named('positive'));
    const cube = add('Mul', [add('Mul', [positive, positive], named('square')), positive], named('cube'));
    const difference = new Float32Array(powers * count);
    for (let g = 0; g < count; g += 1) [1, -4, 6, -4, 1].forEach((factor, k) => (difference[(g + k) * count + g] = factor / 6));
    const basis = add('MatMul', [cube, constant(named('difference'), [powers, count], difference)], named('basis'));
    const rows = add('Reshape', [basis, named('flat')], named('basisRows'));
    const turned = new Float32Array(wide * count * out);
    const coefficients = own('spline_weight').values;
    for (let o = 0; o < out; o += 1) for (let i = 0; i < wide * count; i += 1) turned[i * out + o] = coefficients[o * wide * count + i];
    const splines = add('MatMul', [rows, constant(named('coefficients'), [wide * count, out], turned)], named('splines'));
    const base = new Float32Array(wide * out);
    for (let o = 0; o < out; o += 1) for (let i = 0; i < wide; i += 1) base[i * out + o] = own('base_weight').values[o * wide + i];
    const silu = add('Mul', [z, add('Sigmoid', [z], named('sigmoid'))], named('silu'));
    const paths = add('MatMul', [silu, constant(named('base'), [wide, out], base)], named('paths'));
    at = add('Add', [splines, paths], tensors[`layers.${layer + 1}.grid`] ? named('y') : 'outputs');
  }
  const graph = Buffer.concat([
    ...nodes.map((own) => bytes(1, own)), bytes(2, 'head'), ...constants.map((own) => bytes(5, own)),
    bytes(11, port('rows', ['n', inputs])), bytes(12, port('outputs', ['n', outputs])),
  ]);
  return Buffer.concat([number(1, 8), bytes(7, graph), bytes(8, Buffer.concat([bytes(1, ''), number(2, 13)]))]);
}
