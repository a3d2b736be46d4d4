"use strict";
// A port of dezero to JavaScript: the profile `core` in float64, first derivatives.
//
// The file reads from top to bottom: arrays, the graph, the operations, the protocol. Run it under the kit:
//
//     dezero verify -- node examples/ports/js/port.js

// ------------------------------------------------------------------------------------------- Arrays

// What the kit is told when a program cannot be run: `kind` is "shape", "domain" or "internal".
class ProgramError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

// An array: a shape, and its elements row by row. Nothing changes one once it is made.
class NDArray {
  constructor(shape, data) {
    this.shape = shape;
    this.data = data;
  }
}

const sizeOf = (shape) => shape.reduce((n, length) => n * length, 1);
const sameShape = (s, t) => s.length === t.length && s.every((n, axis) => n === t[axis]);
const show = (shape) => `[${shape.join(", ")}]`;
const zeros = (shape) => new NDArray(shape, new Float64Array(sizeOf(shape)));
const full = (shape, value) => new NDArray(shape, new Float64Array(sizeOf(shape)).fill(value));

function reshape(x, shape) {
  if (sizeOf(shape) !== x.data.length) {
    throw new ProgramError("shape", `${x.data.length} elements do not fit the shape ${show(shape)}`);
  }
  return new NDArray(shape, x.data);
}

// How far apart, in the flat data, neighbours along each axis are.
function stridesOf(shape) {
  const strides = new Array(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

// Calls visit(i, at) for each element i of a shape, row by row, where `at` is the same place by other strides.
function walk(shape, strides, visit) {
  const size = sizeOf(shape);
  const index = new Array(shape.length).fill(0);
  let at = 0;
  for (let i = 0; i < size; i++) {
    visit(i, at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

// The shape to which some shapes broadcast.
function broadcastShape(...shapes) {
  const result = new Array(Math.max(...shapes.map((shape) => shape.length))).fill(1);
  for (const shape of shapes) {
    const lead = result.length - shape.length;
    for (let axis = 0; axis < shape.length; axis++) {
      if (shape[axis] === 1) continue;
      if (result[lead + axis] !== 1 && result[lead + axis] !== shape[axis]) {
        throw new ProgramError("shape", `${shapes.map(show).join(" and ")} do not broadcast`);
      }
      result[lead + axis] = shape[axis];
    }
  }
  return result;
}

// The strides by which an array of shape `narrow` is read as one of shape `wide`.
function broadcastStrides(narrow, wide) {
  if (narrow.length > wide.length || !sameShape(broadcastShape(narrow, wide), wide)) {
    throw new ProgramError("shape", `${show(narrow)} does not broadcast to ${show(wide)}`);
  }
  const lead = wide.length - narrow.length;
  const own = stridesOf(narrow);
  return wide.map((_, axis) => (axis < lead || narrow[axis - lead] === 1 ? 0 : own[axis - lead]));
}

function broadcastTo(x, shape) {
  if (sameShape(x.shape, shape)) return x;
  const data = new Float64Array(sizeOf(shape));
  walk(shape, broadcastStrides(x.shape, shape), (i, at) => { data[i] = x.data[at]; });
  return new NDArray(shape, data);
}

// The adjoint of broadcastTo: what was read several times is added up.
function sumTo(x, shape) {
  if (sameShape(x.shape, shape)) return x;
  const sum = zeros(shape);
  walk(x.shape, broadcastStrides(shape, x.shape), (i, at) => { sum.data[at] += x.data[i]; });
  return sum;
}

const map = (f, x) => new NDArray(x.shape, x.data.map((value) => f(value)));

// f on the elements of arrays that broadcast against each other.
function zip(f, a, b) {
  const shape = sameShape(a.shape, b.shape) ? a.shape : broadcastShape(a.shape, b.shape);
  const { data: p } = broadcastTo(a, shape);
  const { data: q } = broadcastTo(b, shape);
  const data = new Float64Array(p.length);
  for (let i = 0; i < data.length; i++) data[i] = f(p[i], q[i]);
  return new NDArray(shape, data);
}

const add = (a, b) => zip((p, q) => p + q, a, b);

// An axis counted from the front.
function axisOf(axis, rank) {
  if (!(Number.isInteger(axis) && axis >= -rank && axis < rank)) {
    throw new ProgramError("shape", `axis ${axis} of an array of ${rank} axes`);
  }
  return axis < 0 ? axis + rank : axis;
}

// The shape with the axes of a reduction kept, of length 1; and without them.
function reducedShapes(shape, axis) {
  const given = axis === null ? shape.map((_, i) => i) : Array.isArray(axis) ? axis : [axis];
  const axes = new Set(given.map((i) => axisOf(i, shape.length)));
  return { kept: shape.map((n, i) => (axes.has(i) ? 1 : n)), left: shape.filter((_, i) => !axes.has(i)) };
}

// Axis i of the result is axis axes[i] of x.
function transpose(x, axes) {
  const strides = stridesOf(x.shape);
  const shape = axes.map((axis) => x.shape[axis]);
  const data = new Float64Array(x.data.length);
  walk(shape, axes.map((axis) => strides[axis]), (i, at) => { data[i] = x.data[at]; });
  return new NDArray(shape, data);
}

function permutation(axes, rank) {
  const order = axes === null ? [...Array(rank).keys()].reverse() : axes.map((i) => axisOf(i, rank));
  if (order.length !== rank || new Set(order).size !== rank) {
    throw new ProgramError("shape", `axes ${show(order)} of an array of ${rank} axes`);
  }
  return order;
}

const swapLast = (x) => {
  const axes = x.shape.map((_, i) => i);
  const [i, j] = axes.splice(-2);
  return transpose(x, [...axes, j, i]);
};

// Stacks of matrices: [..., n, k] and [..., k, m] give [..., n, m].
function multiply(a, b) {
  const [n, k] = a.shape.slice(-2);
  const m = b.shape[b.shape.length - 1];
  if (b.shape[b.shape.length - 2] !== k) {
    throw new ProgramError("shape", `the matrices ${show(a.shape)} and ${show(b.shape)} do not fit`);
  }
  const stack = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const { data: p } = broadcastTo(a, [...stack, n, k]);
  const { data: q } = broadcastTo(b, [...stack, k, m]);
  const y = zeros([...stack, n, m]);
  for (let s = 0, at = 0; s < sizeOf(stack); s++) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < m; j++, at++) {
        let sum = 0;
        for (let l = 0; l < k; l++) sum += p[(s * n + i) * k + l] * q[(s * k + l) * m + j];
        y.data[at] = sum;
      }
    }
  }
  return y;
}

// How often an axis is run through, and how many elements lie behind each of its places.
const blocks = (shape, axis) => ({ outer: sizeOf(shape.slice(0, axis)), inner: sizeOf(shape.slice(axis + 1)) });

function concatenate(xs, axis) {
  const shape = xs[0].shape.slice();
  shape[axis] = xs.reduce((n, x) => n + x.shape[axis], 0);
  if (xs.some((x) => x.shape.length !== shape.length || x.shape.some((n, i) => i !== axis && n !== shape[i]))) {
    throw new ProgramError("shape", `${xs.map((x) => show(x.shape)).join(", ")} along axis ${axis}`);
  }
  const { outer, inner } = blocks(shape, axis);
  const y = zeros(shape);
  let at = 0;
  for (let block = 0; block < outer; block++) {
    for (const x of xs) {
      const run = x.shape[axis] * inner;
      y.data.set(x.data.subarray(block * run, (block + 1) * run), at);
      at += run;
    }
  }
  return y;
}

// The parts of x along an axis, of the given lengths: the inverse of concatenate.
function partsOf(x, axis, lengths) {
  const { outer, inner } = blocks(x.shape, axis);
  const parts = lengths.map((n) => zeros(x.shape.map((length, i) => (i === axis ? n : length))));
  let at = 0;
  for (let block = 0; block < outer; block++) {
    parts.forEach((part, k) => {
      const run = lengths[k] * inner;
      part.data.set(x.data.subarray(at, at + run), block * run);
      at += run;
    });
  }
  return parts;
}

// -------------------------------------------------------------------------------------------- Graph

// What the user holds. It leads to its creator; nothing in the graph leads to it, but those it is an input of.
class Variable {
  constructor(data, creator = null, index = 0) {
    this.data = data;
    this.grad = null;
    this.creator = creator;
    this.index = index; // which of its creator's outputs it is
    this.generation = creator === null ? 0 : creator.generation + 1;
  }
}

// One application of an operation. Of its outputs it knows the shapes only: so the graph has no cycle.
class Function {
  constructor(operation, attributes, inputs) {
    this.operation = operation;
    this.attributes = attributes;
    this.inputs = inputs;
    this.generation = Math.max(0, ...inputs.map((x) => x.generation));
    this.saved = null;
    this.outputShapes = [];
  }

  static apply(operation, attributes, inputs) {
    const f = new Function(operation, attributes, inputs);
    const ys = operation.forward(inputs.map((x) => x.data), attributes);
    if (operation.savesOutput) f.saved = ys[0];
    f.outputShapes = ys.map((y) => y.shape);
    return ys.map((y, index) => new Variable(y, f, index));
  }

  // The cotangents of the inputs from those of the outputs; broadcasting is undone here, for all operations.
  pull(gys) {
    const completed = gys.map((gy, index) => gy ?? zeros(this.outputShapes[index]));
    const xs = this.inputs.map((x) => x.data);
    const gxs = this.operation.vjp(completed, xs, this.saved, this.attributes);
    return gxs.map((gx, i) => sumTo(gx, xs[i].shape));
  }
}

// Functions, the largest generation first: a binary heap.
class Queue {
  constructor() {
    this.heap = [];
  }

  push(f) {
    const { heap } = this;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent].generation >= f.generation) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = f;
  }

  pop() {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length > 0) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && heap[child + 1].generation > heap[child].generation) child++;
        if (heap[child].generation <= last.generation) break;
        heap[at] = heap[child];
        at = child;
      }
      heap[at] = last;
    }
    return first;
  }
}

// Adds to the grad of each leaf the derivative of the sum of seed * output over the outputs.
function backward(outputs, seeds) {
  const leaves = new Map(); // Variable -> cotangent
  const waiting = new Map(); // Function -> the cotangents of its outputs
  const queue = new Queue();

  const receive = (x, g) => {
    if (x.creator === null) {
      leaves.set(x, leaves.has(x) ? add(leaves.get(x), g) : g);
      return;
    }
    let gys = waiting.get(x.creator);
    if (gys === undefined) {
      gys = x.creator.outputShapes.map(() => null);
      waiting.set(x.creator, gys);
      queue.push(x.creator);
    }
    gys[x.index] = gys[x.index] === null ? g : add(gys[x.index], g);
  };

  outputs.forEach((y, i) => receive(y, seeds[i]));
  while (queue.heap.length > 0) {
    const f = queue.pop();
    const gxs = f.pull(waiting.get(f));
    waiting.delete(f);
    f.inputs.forEach((x, i) => receive(x, gxs[i]));
  }
  for (const [leaf, g] of leaves) {
    leaf.grad = leaf.grad === null ? new NDArray(g.shape, g.data.slice()) : add(leaf.grad, g);
  }
}

// --------------------------------------------------------------------------------------- Operations
//
// forward(xs, attributes) gives the outputs, vjp(gys, xs, y, attributes) the cotangents of the inputs. y is
// the first output where the operation says `savesOutput`. `attributes` has their defaults.

// One operand, element by element: its value, and its cotangent from gy, x and y.
const unary = (f, rule, savesOutput = false) => ({
  savesOutput,
  forward: ([x]) => [map(f, x)],
  vjp([gy], [x], y) {
    const data = new Float64Array(x.data.length);
    for (let i = 0; i < data.length; i++) data[i] = rule(gy.data[i], x.data[i], y === null ? NaN : y.data[i]);
    return [new NDArray(x.shape, data)];
  },
});

// Two operands that broadcast: the value, and the cotangent of each from gy, a and b.
const binary = (f, ruleA, ruleB) => ({
  forward: ([a, b]) => [zip(f, a, b)],
  vjp([gy], operands) {
    const [{ data: a }, { data: b }] = operands.map((x) => broadcastTo(x, gy.shape));
    const ga = new NDArray(gy.shape, gy.data.map((g, i) => ruleA(g, a[i], b[i])));
    const gb = new NDArray(gy.shape, gy.data.map((g, i) => ruleB(g, a[i], b[i])));
    return [ga, gb];
  },
});

// A reduction over axes: the value is the sum, divided by share(number of elements that are reduced to one).
const reduction = (share) => ({
  attributes: { axis: null, keepdims: false },
  forward([x], { axis, keepdims }) {
    const { kept, left } = reducedShapes(x.shape, axis);
    const n = share(sizeOf(x.shape) / sizeOf(kept));
    return [reshape(map((value) => value / n, sumTo(x, kept)), keepdims ? kept : left)];
  },
  vjp([gy], [x], _, { axis }) {
    const { kept } = reducedShapes(x.shape, axis);
    const n = share(sizeOf(x.shape) / sizeOf(kept));
    return [broadcastTo(reshape(map((g) => g / n, gy), kept), x.shape)];
  },
});

function sigmoid(x) {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

// The operands of a matrix product as stacks of matrices: a vector is a row on the left, a column on the right.
function matrices(a, b) {
  if (a.shape.length === 0 || b.shape.length === 0) {
    throw new ProgramError("shape", "matmul takes no numbers");
  }
  return [
    a.shape.length === 1 ? reshape(a, [1, ...a.shape]) : a,
    b.shape.length === 1 ? reshape(b, [...b.shape, 1]) : b,
  ];
}

const OPERATIONS = {
  add: binary((a, b) => a + b, (g) => g, (g) => g),
  sub: binary((a, b) => a - b, (g) => g, (g) => -g),
  mul: binary((a, b) => a * b, (g, a, b) => g * b, (g, a) => g * a),
  div: binary((a, b) => a / b, (g, a, b) => g / b, (g, a, b) => -(g / b) * (a / b)),
  neg: unary((x) => -x, (g) => -g),
  pow: {
    attributes: { c: undefined },
    forward: ([x], { c }) => [map((value) => value ** c, x)],
    vjp: ([gy], [x], _, { c }) => [zip((g, value) => (c === 0 ? g * 0 : g * c * value ** (c - 1)), gy, x)],
  },
  square: unary((x) => x * x, (g, x) => g * 2 * x),
  sqrt: unary(Math.sqrt, (g, x, y) => g / (2 * y), true),
  exp: unary(Math.exp, (g, x, y) => g * y, true),
  log: unary(Math.log, (g, x) => g / x),
  sin: unary(Math.sin, (g, x) => g * Math.cos(x)),
  cos: unary(Math.cos, (g, x) => -g * Math.sin(x)),
  tanh: unary(Math.tanh, (g, x) => g * 4 * sigmoid(2 * x) * sigmoid(-2 * x)),
  sigmoid: unary(sigmoid, (g, x, y) => g * y * sigmoid(-x), true),
  relu: unary((x) => (x > 0 ? x : 0), (g, x) => (x > 0 ? g : 0)),
  maximum: binary(
    (a, b) => Math.max(a, b),
    (g, a, b) => (a > b ? g : a === b ? g / 2 : 0),
    (g, a, b) => (a < b ? g : a === b ? g / 2 : 0),
  ),
  sum: reduction(() => 1),
  mean: reduction((n) => n),
  broadcast_to: {
    attributes: { shape: undefined },
    forward: ([x], { shape }) => [broadcastTo(x, shape)],
    vjp: ([gy], [x]) => [sumTo(gy, x.shape)],
  },
  sum_to: {
    attributes: { shape: undefined },
    forward: ([x], { shape }) => [sumTo(x, shape)],
    vjp: ([gy], [x]) => [broadcastTo(gy, x.shape)],
  },
  reshape: {
    attributes: { shape: undefined },
    forward: ([x], { shape }) => [reshape(x, shape)],
    vjp: ([gy], [x]) => [reshape(gy, x.shape)],
  },
  transpose: {
    attributes: { axes: null },
    forward: ([x], { axes }) => [transpose(x, permutation(axes, x.shape.length))],
    vjp([gy], [x], _, { axes }) {
      const inverse = [];
      permutation(axes, x.shape.length).forEach((axis, i) => { inverse[axis] = i; });
      return [transpose(gy, inverse)];
    },
  },
  matmul: {
    forward([a, b]) {
      const y = multiply(...matrices(a, b));
      const shape = y.shape.slice();
      if (a.shape.length === 1) shape.splice(-2, 1);
      if (b.shape.length === 1) shape.splice(-1, 1);
      return [reshape(y, shape)];
    },
    vjp([gy], [a, b]) {
      const [rows, columns] = matrices(a, b);
      const stack = broadcastShape(rows.shape.slice(0, -2), columns.shape.slice(0, -2));
      const g = reshape(gy, [...stack, rows.shape.at(-2), columns.shape.at(-1)]);
      const ga = sumTo(multiply(g, swapLast(columns)), rows.shape);
      const gb = sumTo(multiply(swapLast(rows), g), columns.shape);
      return [reshape(ga, a.shape), reshape(gb, b.shape)];
    },
  },
  softmax: {
    attributes: { axis: 1 },
    savesOutput: true,
    forward([x], { axis }) {
      const { kept } = reducedShapes(x.shape, axisOf(axis, x.shape.length));
      const largest = full(kept, -Infinity);
      walk(x.shape, broadcastStrides(kept, x.shape), (i, at) => {
        largest.data[at] = Math.max(largest.data[at], x.data[i]);
      });
      const e = zip((value, m) => Math.exp(value - m), x, largest);
      return [zip((value, sum) => value / sum, e, sumTo(e, kept))];
    },
    vjp([gy], [x], y, { axis }) {
      const { kept } = reducedShapes(x.shape, axisOf(axis, x.shape.length));
      const weighted = zip((g, value) => g * value, gy, y);
      const share = zip((value, sum) => value * sum, y, sumTo(weighted, kept));
      return [zip((p, q) => p - q, weighted, share)];
    },
  },
  concatenate: {
    attributes: { axis: 0 },
    forward: (xs, { axis }) => [concatenate(xs, axisOf(axis, xs[0].shape.length))],
    vjp([gy], xs, _, { axis }) {
      const along = axisOf(axis, gy.shape.length);
      return partsOf(gy, along, xs.map((x) => x.shape[along]));
    },
  },
  split: {
    attributes: { sections: undefined, axis: 0 },
    severalOutputs: true,
    forward([x], { sections, axis }) {
      const along = axisOf(axis, x.shape.length);
      const length = x.shape[along] / sections;
      if (!Number.isInteger(length)) {
        throw new ProgramError("shape", `${sections} equal parts of ${show(x.shape)} along axis ${axis}`);
      }
      return partsOf(x, along, new Array(sections).fill(length));
    },
    vjp: (gys, [x], _, { axis }) => [concatenate(gys, axisOf(axis, x.shape.length))],
  },
};

// ----------------------------------------------------------------------------------------- Protocol

const SPECIAL = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity, "-0": -0 };

const decode = ({ shape, data }) =>
  new NDArray(shape, Float64Array.from(data, (x) => (typeof x === "string" ? SPECIAL[x] : x)));

// JSON.stringify would write -0 as 0, and what is not finite as null.
const encodeNumber = (x) => (Object.is(x, -0) ? "-0" : Number.isFinite(x) ? x : String(x));

const encode = ({ shape, data }) => ({ dtype: "float64", shape, data: Array.from(data, encodeNumber) });

const start = () => ({
  protocol: 1,
  implementation: { name: "dezero.js", version: "1", language: "JavaScript" },
  dtypes: ["float64"],
  ops: Object.fromEntries(
    Object.entries(OPERATIONS).map(([name, { attributes = {} }]) => [name, { attrs: Object.keys(attributes) }]),
  ),
  features: ["vjp", "multi_output", "nonfinite"],
  numbers: ["decimal"],
});

function run({ id, inputs, nodes, outputs, seeds, wrt, want }) {
  const values = inputs.map((tensor) => new Variable(decode(tensor)));
  for (const { op, in: operands, attrs } of nodes) {
    const operation = OPERATIONS[op];
    if (operation === undefined) return { id, unsupported: { op }, message: `no operation ${op}` };
    const attributes = { ...operation.attributes, ...attrs };
    values.push(...Function.apply(operation, attributes, operands.map((i) => values[i])));
  }
  const reply = { id };
  if (want.includes("values")) reply.values = outputs.map((i) => encode(values[i].data));
  if (want.includes("vjp")) {
    backward(outputs.map((i) => values[i]), seeds.map(decode));
    reply.grads = wrt.map((i) => values[i].grad && encode(values[i].grad));
  }
  return reply;
}

// The reply to a line; null if there is none, for the port shall end.
function answer(line) {
  let id = null;
  try {
    const request = JSON.parse(line);
    id = request.id ?? null;
    if (request.cmd === "stop") return null;
    if (request.cmd === "start") return start();
    if (request.cmd === "echo") return { id, tensor: encode(decode(request.tensor)) };
    return run(request);
  } catch (error) {
    return { id, error: { kind: error.kind ?? "internal", message: error.message } };
  }
}

let pending = []; // the parts of a line whose end has not come yet
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => {
  pending.push(chunk);
  if (!chunk.includes("\n")) return;
  const lines = pending.join("").split("\n");
  pending = [lines.pop()];
  process.stdout.cork(); // replies to requests that came together go together
  for (const line of lines) {
    const reply = answer(line);
    if (reply === null) {
      process.stdin.destroy();
      break;
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
  process.stdout.uncork();
});
