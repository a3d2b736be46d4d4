//! A port of dezero to Rust: the profile `core` in float64, first derivatives, no crates.
//!
//! The file reads from top to bottom: arrays, the graph, the operations, JSON, the protocol. Run it
//! under the kit:
//!
//! ```text
//! dezero verify --profile core -- examples/ports/rust/target/release/dezero-port
//! ```

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::fmt::Write as _;
use std::io::{self, BufRead, Write as _};
use std::panic;
use std::rc::{Rc, Weak};

/// Why a program cannot be run.
#[derive(Debug)]
enum Failure {
    Shape(String),
    Internal(String),
    Unsupported(String),
}

type Result<T> = std::result::Result<T, Failure>;

// -------------------------------------------------------------------------------------------- Arrays

/// A shape, and the elements row by row. Nothing changes an array once it is made.
#[derive(Clone, Debug)]
struct Array {
    shape: Vec<usize>,
    data: Rc<Vec<f64>>,
}

/// More elements than this are refused, rather than asked of the machine.
const MOST_ELEMENTS: usize = 1 << 27;

/// The number of elements of a shape. An axis of length 0 does not excuse the others: strides
/// are their products.
fn size_of(shape: &[usize]) -> Result<usize> {
    let bound = shape.iter().try_fold(1_usize, |n, &length| n.checked_mul(length.max(1)));
    match bound {
        Some(n) if n <= MOST_ELEMENTS => Ok(shape.iter().product()),
        _ => Err(Failure::Shape(format!("the shape {shape:?} is too large"))),
    }
}

/// How far apart, in the flat data, neighbours along each axis are.
fn strides_of(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The places of the elements of a shape, row by row, in data that is read by some strides.
struct Places<'a> {
    shape: &'a [usize],
    strides: Vec<usize>,
    index: Vec<usize>,
    at: usize,
    left: usize,
}

impl<'a> Places<'a> {
    fn new(shape: &'a [usize], strides: Vec<usize>) -> Result<Self> {
        let (index, left) = (vec![0; shape.len()], size_of(shape)?);
        Ok(Places { shape, strides, index, at: 0, left })
    }
}

impl Iterator for Places<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let place = self.at;
        for axis in (0..self.shape.len()).rev() {
            self.at += self.strides[axis];
            self.index[axis] += 1;
            if self.index[axis] < self.shape[axis] {
                break;
            }
            self.at -= self.strides[axis] * self.shape[axis];
            self.index[axis] = 0;
        }
        Some(place)
    }
}

/// The shape to which two shapes broadcast.
fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let length =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|axis| match (length(a, axis), length(b, axis)) {
            (n, 1) => Ok(n),
            (1, m) => Ok(m),
            (n, m) if n == m => Ok(n),
            _ => Err(Failure::Shape(format!("{a:?} and {b:?} do not broadcast"))),
        })
        .collect()
}

/// The strides by which an array of shape `narrow` is read as one of shape `wide`.
fn broadcast_strides(narrow: &[usize], wide: &[usize]) -> Result<Vec<usize>> {
    if broadcast_shape(narrow, wide)? != wide {
        return Err(Failure::Shape(format!("{narrow:?} does not broadcast to {wide:?}")));
    }
    let mut strides = vec![0; wide.len() - narrow.len()];
    let own = strides_of(narrow);
    strides
        .extend(narrow.iter().zip(own).map(|(&length, stride)| if length == 1 { 0 } else { stride }));
    Ok(strides)
}

impl Array {
    fn new(shape: Vec<usize>, data: Vec<f64>) -> Array {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Array { shape, data: Rc::new(data) }
    }

    fn full(shape: &[usize], value: f64) -> Result<Array> {
        Ok(Array::new(shape.to_vec(), vec![value; size_of(shape)?]))
    }

    fn reshape(&self, shape: &[usize]) -> Result<Array> {
        if size_of(shape)? != self.data.len() {
            return Err(Failure::Shape(format!(
                "{:?} has not as many elements as {shape:?}",
                self.shape
            )));
        }
        Ok(Array { shape: shape.to_vec(), data: Rc::clone(&self.data) })
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Array {
        Array::new(self.shape.clone(), self.data.iter().map(|&x| f(x)).collect())
    }

    /// f on the elements of two arrays that broadcast against each other.
    fn zip(&self, other: &Array, f: impl Fn(f64, f64) -> f64) -> Result<Array> {
        let shape = broadcast_shape(&self.shape, &other.shape)?;
        let (a, b) = (self.broadcast_to(&shape)?, other.broadcast_to(&shape)?);
        let data = a.data.iter().zip(b.data.iter()).map(|(&p, &q)| f(p, q)).collect();
        Ok(Array::new(shape, data))
    }

    fn add(&self, other: &Array) -> Result<Array> {
        self.zip(other, |p, q| p + q)
    }

    /// The same data, read as another shape by some strides.
    fn read(&self, shape: &[usize], strides: Vec<usize>) -> Result<Array> {
        let data = Places::new(shape, strides)?.map(|at| self.data[at]).collect();
        Ok(Array::new(shape.to_vec(), data))
    }

    fn broadcast_to(&self, shape: &[usize]) -> Result<Array> {
        if self.shape == shape {
            return Ok(self.clone());
        }
        self.read(shape, broadcast_strides(&self.shape, shape)?)
    }

    /// The adjoint of broadcast_to: what was read several times is added up.
    fn sum_to(&self, shape: &[usize]) -> Result<Array> {
        if self.shape == shape {
            return Ok(self.clone());
        }
        self.fold_to(shape, 0.0, |sum, x| sum + x)
    }

    /// Folds all elements that broadcasting from `shape` would read in one place.
    fn fold_to(&self, shape: &[usize], first: f64, f: impl Fn(f64, f64) -> f64) -> Result<Array> {
        let mut data = vec![first; size_of(shape)?];
        let places = Places::new(&self.shape, broadcast_strides(shape, &self.shape)?)?;
        for (at, &x) in places.zip(self.data.iter()) {
            data[at] = f(data[at], x);
        }
        Ok(Array::new(shape.to_vec(), data))
    }

    /// Axis i of the result is axis axes[i] of this array.
    fn transpose(&self, axes: &[usize]) -> Result<Array> {
        let strides = strides_of(&self.shape);
        let shape: Vec<usize> = axes.iter().map(|&axis| self.shape[axis]).collect();
        self.read(&shape, axes.iter().map(|&axis| strides[axis]).collect())
    }

    fn swap_last(&self) -> Result<Array> {
        let mut axes: Vec<usize> = (0..self.shape.len()).collect();
        axes.swap(self.shape.len() - 2, self.shape.len() - 1);
        self.transpose(&axes)
    }

    /// Stacks of matrices: [..., n, k] and [..., k, m] give [..., n, m].
    fn multiply(&self, other: &Array) -> Result<Array> {
        let misfit = || {
            Failure::Shape(format!("the matrices {:?} and {:?} do not fit", self.shape, other.shape))
        };
        let (stack_a, &[n, k]) = self.shape.split_last_chunk().ok_or_else(misfit)?;
        let (stack_b, &[rows, m]) = other.shape.split_last_chunk().ok_or_else(misfit)?;
        if rows != k {
            return Err(misfit());
        }
        let stack = broadcast_shape(stack_a, stack_b)?;
        let a = self.broadcast_to(&[&stack[..], &[n, k]].concat())?.data;
        let b = other.broadcast_to(&[&stack[..], &[k, m]].concat())?.data;
        let shape = [&stack[..], &[n, m]].concat();
        let mut data = Vec::with_capacity(size_of(&shape)?);
        for s in 0..size_of(&stack)? {
            for i in 0..n {
                for j in 0..m {
                    // Not sum(): of no numbers that is -0.
                    data.push(
                        (0..k)
                            .fold(0.0, |sum, l| sum + a[(s * n + i) * k + l] * b[(s * k + l) * m + j]),
                    );
                }
            }
        }
        Ok(Array::new(shape, data))
    }

    /// The parts along an axis, of the given lengths: the inverse of concatenate.
    fn parts(&self, axis: usize, lengths: &[usize]) -> Vec<Array> {
        let outer: usize = self.shape[..axis].iter().product();
        let inner: usize = self.shape[axis + 1..].iter().product();
        let mut start = 0;
        let part = |&length: &usize| {
            let mut data = Vec::with_capacity(outer * length * inner);
            for block in 0..outer {
                let at = (block * self.shape[axis] + start) * inner;
                data.extend_from_slice(&self.data[at..at + length * inner]);
            }
            start += length;
            let mut shape = self.shape.clone();
            shape[axis] = length;
            Array::new(shape, data)
        };
        lengths.iter().map(part).collect()
    }
}

/// The arrays one behind another along an axis.
fn concatenate(xs: &[Array], axis: usize) -> Result<Array> {
    let mut shape = xs[0].shape.clone();
    let alike = |x: &Array| {
        x.shape.len() == shape.len() && (0..shape.len()).all(|i| i == axis || x.shape[i] == shape[i])
    };
    if !xs.iter().all(alike) {
        let shapes: Vec<_> = xs.iter().map(|x| &x.shape).collect();
        return Err(Failure::Shape(format!("{shapes:?} cannot be concatenated along axis {axis}")));
    }
    shape[axis] = xs.iter().map(|x| x.shape[axis]).sum();
    let outer: usize = shape[..axis].iter().product();
    let mut data = Vec::with_capacity(size_of(&shape)?);
    for block in 0..outer {
        for x in xs {
            let run = x.data.len() / outer;
            data.extend_from_slice(&x.data[block * run..(block + 1) * run]);
        }
    }
    Ok(Array::new(shape, data))
}

/// An axis counted from the front.
fn axis_of(axis: i64, rank: usize) -> Result<usize> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(counted) {
        Ok(found) if found < rank => Ok(found),
        _ => Err(Failure::Shape(format!("axis {axis} of an array of {rank} axes"))),
    }
}

/// Distinct axes counted from the front; all of them, in order, for None.
fn axes_of(axes: Option<&[i64]>, rank: usize) -> Result<Vec<usize>> {
    let Some(given) = axes else { return Ok((0..rank).collect()) };
    let found = given.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<Vec<_>>>()?;
    if found.iter().collect::<BTreeSet<_>>().len() < found.len() {
        return Err(Failure::Shape(format!("axes {given:?}: one comes twice")));
    }
    Ok(found)
}

/// What a reduction makes of a shape.
struct Reduced {
    /// The shape with the reduced axes kept, of length 1.
    kept: Vec<usize>,
    /// The shape without them.
    left: Vec<usize>,
    /// How many elements are reduced to one.
    n: usize,
}

impl Reduced {
    fn new(shape: &[usize], axes: Option<&[i64]>) -> Result<Reduced> {
        let axes = axes_of(axes, shape.len())?;
        let (mut kept, mut left) = (Vec::new(), Vec::new());
        for (axis, &length) in shape.iter().enumerate() {
            let goes = axes.contains(&axis);
            kept.push(if goes { 1 } else { length });
            if !goes {
                left.push(length);
            }
        }
        Ok(Reduced { kept, left, n: axes.iter().map(|&axis| shape[axis]).product() })
    }
}

// --------------------------------------------------------------------------------------------- Graph
//
// Owning references (Rc) lead from newer to older only, so counting frees a graph with the last
// Variable that leads to it. The graph knows its Variables by Weak references, and a Function its
// outputs by their numbers.

/// What the user holds.
#[derive(Debug)]
struct Variable {
    data: Array,
    grad: RefCell<Option<Array>>,
    node: Rc<Node>,
}

/// A vertex of the graph.
#[derive(Debug)]
struct Node {
    variable: Weak<Variable>,
    creator: Option<Rc<Function>>,
    /// Which of its creator's outputs it is.
    index: usize,
    shape: Vec<usize>,
    generation: usize,
}

/// One application of an operation.
#[derive(Debug)]
struct Function {
    operation: Operation,
    inputs: Vec<Rc<Node>>,
    output_shapes: Vec<Vec<usize>>,
    /// The arrays that the rule reads, and no others.
    saved: Vec<Array>,
    generation: usize,
}

impl Variable {
    fn leaf(data: Array) -> Rc<Variable> {
        Variable::new(data, None, 0)
    }

    fn new(data: Array, creator: Option<Rc<Function>>, index: usize) -> Rc<Variable> {
        Rc::new_cyclic(|variable| {
            let generation = creator.as_ref().map_or(0, |function| function.generation + 1);
            let (variable, shape) = (variable.clone(), data.shape.clone());
            let node = Rc::new(Node { variable, creator, index, shape, generation });
            Variable { data, grad: RefCell::new(None), node }
        })
    }
}

impl Function {
    fn apply(operation: Operation, inputs: &[Rc<Variable>]) -> Result<Vec<Rc<Variable>>> {
        let xs: Vec<Array> = inputs.iter().map(|x| x.data.clone()).collect();
        let ys = operation.forward(&xs)?;
        let saved = match operation.saves() {
            Saves::Nothing => Vec::new(),
            Saves::Inputs => xs,
            Saves::Output => vec![ys[0].clone()],
        };
        let function = Rc::new(Function {
            operation,
            inputs: inputs.iter().map(|x| Rc::clone(&x.node)).collect(),
            output_shapes: ys.iter().map(|y| y.shape.clone()).collect(),
            saved,
            generation: inputs.iter().map(|x| x.node.generation).max().unwrap_or(0),
        });
        let output = |(index, y)| Variable::new(y, Some(Rc::clone(&function)), index);
        Ok(ys.into_iter().enumerate().map(output).collect())
    }

    /// The cotangents of the inputs from those of the outputs. Broadcasting is undone here, for all.
    fn pull(&self, gys: Vec<Option<Array>>) -> Result<Vec<Array>> {
        let complete =
            |(gy, shape): (Option<Array>, &Vec<usize>)| gy.map_or_else(|| Array::full(shape, 0.0), Ok);
        let gys = gys.into_iter().zip(&self.output_shapes).map(complete).collect::<Result<Vec<_>>>()?;
        let shapes: Vec<&[usize]> = self.inputs.iter().map(|x| &x.shape[..]).collect();
        let gxs = self.operation.vjp(&gys, &self.saved, &shapes)?;
        gxs.iter().zip(shapes).map(|(gx, shape)| gx.sum_to(shape)).collect()
    }
}

/// A chain is freed in a loop: else the drop of each Function would stand inside that of the next.
impl Drop for Function {
    fn drop(&mut self) {
        let mut nodes = std::mem::take(&mut self.inputs);
        while let Some(node) = nodes.pop() {
            let creator = Rc::into_inner(node).and_then(|last| last.creator);
            if let Some(mut function) = creator.and_then(Rc::into_inner) {
                nodes.append(&mut function.inputs);
            }
        }
    }
}

/// A Function that waits for its turn: the largest generation comes first.
struct Queued(Rc<Function>);

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.generation.cmp(&other.0.generation)
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Queued {}

/// The cotangents on their way, in one call of backward.
#[derive(Default)]
struct Cotangents {
    /// Of the outputs of the Functions in the queue, by the address of the Function.
    waiting: HashMap<*const Function, Vec<Option<Array>>>,
    queue: BinaryHeap<Queued>,
    /// Of the leaves, by the address of the Node, which is held so that the address stays its own.
    leaves: HashMap<*const Node, (Rc<Node>, Array)>,
}

impl Cotangents {
    fn receive(&mut self, node: &Rc<Node>, g: Array) -> Result<()> {
        let Some(creator) = &node.creator else {
            let sum = match self.leaves.get(&Rc::as_ptr(node)) {
                Some((_, before)) => before.add(&g)?,
                None => g,
            };
            self.leaves.insert(Rc::as_ptr(node), (Rc::clone(node), sum));
            return Ok(());
        };
        let gys = self.waiting.entry(Rc::as_ptr(creator)).or_insert_with(|| {
            self.queue.push(Queued(Rc::clone(creator)));
            vec![None; creator.output_shapes.len()]
        });
        let place = &mut gys[node.index];
        *place = Some(match place.as_ref() {
            Some(before) => before.add(&g)?,
            None => g,
        });
        Ok(())
    }
}

/// Adds to the grad of each leaf the derivative of the sum of seed * output over the outputs.
fn backward(outputs: &[Rc<Variable>], seeds: &[Array]) -> Result<()> {
    let mut cotangents = Cotangents::default();
    for (y, seed) in outputs.iter().zip(seeds) {
        cotangents.receive(&y.node, seed.clone())?;
    }
    while let Some(Queued(function)) = cotangents.queue.pop() {
        let gys = cotangents.waiting.remove(&Rc::as_ptr(&function)).unwrap_or_default();
        for (x, gx) in function.inputs.iter().zip(function.pull(gys)?) {
            cotangents.receive(x, gx)?;
        }
    }
    for (node, g) in cotangents.leaves.into_values() {
        if let Some(leaf) = node.variable.upgrade() {
            let mut grad = leaf.grad.borrow_mut();
            *grad = Some(match grad.as_ref() {
                Some(before) => before.add(&g)?,
                None => g,
            });
        }
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------- Operations

use Operation::*;
use Slope::{FromInput, FromOutput};

/// An operation with its attributes.
#[derive(Debug)]
enum Operation {
    Add,
    Sub,
    Neg,
    /// One operand, element by element.
    Unary(fn(f64) -> f64, Slope),
    /// Two operands that broadcast: the value, and the cotangent of each from gy, a and b.
    Binary(fn(f64, f64) -> f64, [fn(f64, f64, f64) -> f64; 2]),
    Pow(f64),
    /// The sum over axes, divided by share(how many elements are added up), and whether axes are kept.
    Reduce(fn(f64) -> f64, Option<Vec<i64>>, bool),
    BroadcastTo(Vec<usize>),
    SumTo(Vec<usize>),
    Reshape(Vec<usize>),
    Transpose(Option<Vec<i64>>),
    Matmul,
    Softmax(i64),
    Concatenate(i64),
    /// The number of sections, and the axis.
    Split(usize, i64),
}

/// The cotangent of an operand from gy and one array more, which is what the rule keeps alive.
#[derive(Debug)]
enum Slope {
    FromInput(fn(f64, f64) -> f64),
    FromOutput(fn(f64, f64) -> f64),
}

enum Saves {
    Nothing,
    Inputs,
    Output,
}

/// Every operation, by the attributes that it takes, as the kit is told.
const OPERATIONS: [(&[&str], &[&str]); 8] = [
    (&[], &["add", "sub", "mul", "div", "neg", "square", "sqrt", "exp", "log", "sin", "cos", "tanh"]),
    (&[], &["sigmoid", "relu", "maximum", "matmul"]),
    (&["c"], &["pow"]),
    (&["axis", "keepdims"], &["sum", "mean"]),
    (&["shape"], &["broadcast_to", "sum_to", "reshape"]),
    (&["axes"], &["transpose"]),
    (&["axis"], &["softmax", "concatenate"]),
    (&["sections", "axis"], &["split"]),
];

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        x.exp() / (1.0 + x.exp())
    }
}

/// g where `side` is the larger, half of it at a tie, else 0.
fn share(g: f64, side: f64, other: f64) -> f64 {
    match side.partial_cmp(&other) {
        Some(Ordering::Greater) => g,
        Some(Ordering::Equal) => g / 2.0,
        _ => 0.0,
    }
}

impl Operation {
    fn new(name: &str, attributes: &Attributes) -> Result<Operation> {
        Ok(match name {
            "add" => Add,
            "sub" => Sub,
            "neg" => Neg,
            "mul" => Binary(|a, b| a * b, [|g, _, b| g * b, |g, a, _| g * a]),
            "div" => Binary(|a, b| a / b, [|g, _, b| g / b, |g, a, b| -(g / b) * (a / b)]),
            "maximum" => Binary(
                |a, b| if a > b || a.is_nan() { a } else { b },
                [|g, a, b| share(g, a, b), |g, a, b| share(g, b, a)],
            ),
            "square" => Unary(|x| x * x, FromInput(|g, x| g * (2.0 * x))),
            "sqrt" => Unary(f64::sqrt, FromOutput(|g, y| g / (2.0 * y))),
            "exp" => Unary(f64::exp, FromOutput(|g, y| g * y)),
            "log" => Unary(f64::ln, FromInput(|g, x| g / x)),
            "sin" => Unary(f64::sin, FromInput(|g, x| g * x.cos())),
            "cos" => Unary(f64::cos, FromInput(|g, x| -g * x.sin())),
            "tanh" => {
                Unary(f64::tanh, FromInput(|g, x| g * 4.0 * sigmoid(2.0 * x) * sigmoid(-2.0 * x)))
            }
            "sigmoid" => Unary(sigmoid, FromInput(|g, x| g * sigmoid(x) * sigmoid(-x))),
            "relu" => Unary(
                |x| if x > 0.0 { x } else { 0.0 },
                FromInput(|g, x| if x > 0.0 { g } else { 0.0 }),
            ),
            "pow" => Pow(attributes.number("c")?),
            "sum" => Reduce(|_| 1.0, attributes.axes("axis")?, attributes.flag("keepdims")?),
            "mean" => Reduce(|n| n, attributes.axes("axis")?, attributes.flag("keepdims")?),
            "broadcast_to" => BroadcastTo(attributes.shape("shape")?),
            "sum_to" => SumTo(attributes.shape("shape")?),
            "reshape" => Reshape(attributes.shape("shape")?),
            "transpose" => Transpose(attributes.axes("axes")?),
            "matmul" => Matmul,
            "softmax" => Softmax(attributes.axis("axis", 1)?),
            "concatenate" => Concatenate(attributes.axis("axis", 0)?),
            "split" => Split(attributes.length("sections")?, attributes.axis("axis", 0)?),
            _ => return Err(Failure::Unsupported(name.to_owned())),
        })
    }

    fn saves(&self) -> Saves {
        match self {
            Unary(_, FromOutput(_)) | Softmax(_) => Saves::Output,
            Unary(_, FromInput(_)) => Saves::Inputs,
            Binary(..) | Pow(_) | Matmul => Saves::Inputs,
            _ => Saves::Nothing,
        }
    }

    fn forward(&self, xs: &[Array]) -> Result<Vec<Array>> {
        let y = match (self, xs) {
            (Add, [a, b]) => a.add(b)?,
            (Sub, [a, b]) => a.zip(b, |a, b| a - b)?,
            (Neg, [x]) => x.map(|x| -x),
            (Unary(f, _), [x]) => x.map(f),
            (Binary(f, _), [a, b]) => a.zip(b, f)?,
            (Pow(c), [x]) => x.map(|x| x.powf(*c)),
            (Reduce(share, axes, keepdims), [x]) => reduce(x, axes.as_deref(), *keepdims, *share)?,
            (BroadcastTo(shape), [x]) => x.broadcast_to(shape)?,
            (SumTo(shape), [x]) => x.sum_to(shape)?,
            (Reshape(shape), [x]) => x.reshape(shape)?,
            (Transpose(axes), [x]) => x.transpose(&permutation(axes.as_deref(), x.shape.len())?)?,
            (Matmul, [a, b]) => matmul(a, b)?,
            (Softmax(axis), [x]) => softmax(x, *axis)?,
            (Concatenate(axis), [x, ..]) => concatenate(xs, axis_of(*axis, x.shape.len())?)?,
            (Split(sections, axis), [x]) => return split(x, *sections, *axis),
            _ => return Err(Failure::Internal(format!("{} operands for {self:?}", xs.len()))),
        };
        Ok(vec![y])
    }

    /// The cotangents of the operands, which have these shapes, from those of the outputs. `saved` is
    /// what `saves` says. Where an operation broadcasts, they may still have the shape of the result.
    fn vjp(&self, gys: &[Array], saved: &[Array], shapes: &[&[usize]]) -> Result<Vec<Array>> {
        let (gy, shape) = (&gys[0], shapes[0]);
        let gx = match (self, saved) {
            (Add, _) => return Ok(vec![gy.clone(), gy.clone()]),
            (Sub, _) => return Ok(vec![gy.clone(), gy.map(|g| -g)]),
            (Neg, _) => gy.map(|g| -g),
            (Unary(_, FromInput(rule) | FromOutput(rule)), [x_or_y]) => gy.zip(x_or_y, rule)?,
            (Binary(_, rules), [a, b]) => {
                let (a, b) = (a.broadcast_to(&gy.shape)?, b.broadcast_to(&gy.shape)?);
                return Ok(rules.iter().map(|rule| pull_binary(rule, gy, &a, &b)).collect());
            }
            (Pow(c), [_]) if *c == 0.0 => gy.map(|g| g * 0.0),
            (Pow(c), [x]) => gy.zip(x, |g, x| g * c * x.powf(c - 1.0))?,
            (Reduce(share, axes, _), _) => unreduce(gy, shape, axes.as_deref(), *share)?,
            (BroadcastTo(_), _) => gy.sum_to(shape)?,
            (SumTo(_), _) => gy.broadcast_to(shape)?,
            (Reshape(_), _) => gy.reshape(shape)?,
            (Transpose(axes), _) => {
                let axes = permutation(axes.as_deref(), shape.len())?;
                let mut inverse = vec![0; axes.len()];
                for (i, &axis) in axes.iter().enumerate() {
                    inverse[axis] = i;
                }
                gy.transpose(&inverse)?
            }
            (Matmul, [a, b]) => return pull_matmul(gy, a, b),
            (Softmax(axis), [y]) => {
                let kept = Reduced::new(shape, Some(&[*axis]))?.kept;
                let weighted = gy.zip(y, |g, y| g * y)?;
                let shared = y.zip(&weighted.sum_to(&kept)?, |y, sum| y * sum)?;
                weighted.zip(&shared, |p, q| p - q)?
            }
            (Concatenate(axis), _) => {
                let axis = axis_of(*axis, shape.len())?;
                return Ok(gy.parts(axis, &shapes.iter().map(|shape| shape[axis]).collect::<Vec<_>>()));
            }
            (Split(_, axis), _) => concatenate(gys, axis_of(*axis, shape.len())?)?,
            _ => return Err(Failure::Internal(format!("{self:?} has saved {} arrays", saved.len()))),
        };
        Ok(vec![gx])
    }
}

/// The cotangent of one of two operands; all four arrays have the shape of the result.
fn pull_binary(rule: &fn(f64, f64, f64) -> f64, gy: &Array, a: &Array, b: &Array) -> Array {
    let operands = a.data.iter().zip(b.data.iter());
    let data = gy.data.iter().zip(operands).map(|(&g, (&a, &b))| rule(g, a, b)).collect();
    Array::new(gy.shape.clone(), data)
}

/// The sum over axes, divided by share(the number of elements that are reduced to one).
fn reduce(x: &Array, axes: Option<&[i64]>, keepdims: bool, share: fn(f64) -> f64) -> Result<Array> {
    let Reduced { kept, left, n } = Reduced::new(&x.shape, axes)?;
    let n = share(n as f64);
    x.sum_to(&kept)?.map(|sum| sum / n).reshape(if keepdims { &kept } else { &left })
}

/// The rule of a reduction.
fn unreduce(gy: &Array, shape: &[usize], axes: Option<&[i64]>, share: fn(f64) -> f64) -> Result<Array> {
    let Reduced { kept, n, .. } = Reduced::new(shape, axes)?;
    let n = share(n as f64);
    gy.map(|g| g / n).reshape(&kept)?.broadcast_to(shape)
}

fn permutation(axes: Option<&[i64]>, rank: usize) -> Result<Vec<usize>> {
    let Some(given) = axes else { return Ok((0..rank).rev().collect()) };
    if given.len() != rank {
        return Err(Failure::Shape(format!("axes {given:?} of an array of {rank} axes")));
    }
    axes_of(axes, rank)
}

/// The operands of a matrix product as stacks of matrices: a vector is a row on the left, a column
/// on the right.
fn matrices(a: &Array, b: &Array) -> Result<(Array, Array)> {
    let row = match a.shape[..] {
        [k] => a.reshape(&[1, k])?,
        _ => a.clone(),
    };
    let column = match b.shape[..] {
        [k] => b.reshape(&[k, 1])?,
        _ => b.clone(),
    };
    Ok((row, column))
}

fn matmul(a: &Array, b: &Array) -> Result<Array> {
    let (rows, columns) = matrices(a, b)?;
    let y = rows.multiply(&columns)?;
    let mut shape = y.shape.clone();
    if a.shape.len() == 1 {
        shape.remove(shape.len() - 2);
    }
    if b.shape.len() == 1 {
        shape.pop();
    }
    y.reshape(&shape)
}

fn pull_matmul(gy: &Array, a: &Array, b: &Array) -> Result<Vec<Array>> {
    let (rows, columns) = matrices(a, b)?;
    let (n, m) = (rows.shape.len(), columns.shape.len());
    let mut shape = broadcast_shape(&rows.shape[..n - 2], &columns.shape[..m - 2])?;
    shape.extend([rows.shape[n - 2], columns.shape[m - 1]]);
    let gy = gy.reshape(&shape)?;
    let ga = gy.multiply(&columns.swap_last()?)?.sum_to(&rows.shape)?;
    let gb = rows.swap_last()?.multiply(&gy)?.sum_to(&columns.shape)?;
    Ok(vec![ga.reshape(&a.shape)?, gb.reshape(&b.shape)?])
}

fn softmax(x: &Array, axis: i64) -> Result<Array> {
    let kept = Reduced::new(&x.shape, Some(&[axis]))?.kept;
    let largest = x.fold_to(&kept, f64::NEG_INFINITY, f64::max)?;
    let e = x.zip(&largest, |x, m| (x - m).exp())?;
    e.zip(&e.sum_to(&kept)?, |e, sum| e / sum)
}

fn split(x: &Array, sections: usize, axis: i64) -> Result<Vec<Array>> {
    let along = axis_of(axis, x.shape.len())?;
    let length = x.shape[along];
    if sections == 0 || sections > MOST_ELEMENTS || length % sections != 0 {
        return Err(Failure::Shape(format!(
            "{sections} equal parts of {:?} along axis {axis}",
            x.shape
        )));
    }
    Ok(x.parts(along, &vec![length / sections; sections]))
}

// ---------------------------------------------------------------------------------------------- JSON

#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// Deeper nesting than this is refused: the reader calls itself.
const MOST_NESTED: usize = 64;

/// Reads one JSON value.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn read(text: &'a str) -> Result<Json> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        reader.skip_space();
        if reader.at < text.len() {
            return Err(reader.wrong("the end"));
        }
        Ok(value)
    }

    fn wrong(&self, expected: &str) -> Failure {
        Failure::Internal(format!("byte {} of the line: expected {expected}", self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over some text if it comes next.
    fn eat(&mut self, text: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(text.as_bytes());
        self.at += if found { text.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        if depth > MOST_NESTED {
            return Err(self.wrong(&format!("no more than {MOST_NESTED} levels")));
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.eat("null") => Ok(Json::Null),
            _ if self.eat("true") => Ok(Json::Bool(true)),
            _ if self.eat("false") => Ok(Json::Bool(false)),
            _ => Err(self.wrong("a value")),
        }
    }

    /// Steps over a comma, or over the end of a list or an object; whether another item comes.
    fn goes_on(&mut self, end: &str) -> Result<bool> {
        self.skip_space();
        if self.eat(",") {
            return Ok(true);
        }
        if self.eat(end) {
            return Ok(false);
        }
        Err(self.wrong(&format!("a comma or {end}")))
    }

    fn list(&mut self, depth: usize) -> Result<Json> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        let mut more = !self.eat("]");
        while more {
            items.push(self.value(depth + 1)?);
            more = self.goes_on("]")?;
        }
        Ok(Json::List(items))
    }

    fn object(&mut self, depth: usize) -> Result<Json> {
        let mut members = BTreeMap::new();
        self.at += 1;
        self.skip_space();
        let mut more = !self.eat("}");
        while more {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            if !self.eat(":") {
                return Err(self.wrong("a colon"));
            }
            members.insert(name, self.value(depth + 1)?);
            more = self.goes_on("}")?;
        }
        Ok(Json::Object(members))
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.wrong("a digit"));
        }
        Ok(())
    }

    /// A number of JSON's grammar, which is narrower than that of `parse`, which gives the nearest f64.
    fn number(&mut self) -> Result<Json> {
        let start = self.at;
        self.eat("-");
        if !self.eat("0") {
            self.digits()?;
        }
        if self.eat(".") {
            self.digits()?;
        }
        if self.eat("e") || self.eat("E") {
            let _ = self.eat("+") || self.eat("-");
            self.digits()?;
        }
        self.text[start..self.at].parse().map(Json::Number).map_err(|_| self.wrong("a number"))
    }

    fn string(&mut self) -> Result<String> {
        if !self.eat("\"") {
            return Err(self.wrong("a string"));
        }
        let mut text = String::new();
        loop {
            let start = self.at;
            while matches!(self.peek(), Some(byte) if byte != b'"' && byte != b'\\' && byte >= b' ') {
                self.at += 1;
            }
            text.push_str(&self.text[start..self.at]);
            if self.eat("\"") {
                return Ok(text);
            }
            if !self.eat("\\") {
                return Err(self.wrong("the end of a string"));
            }
            text.push(self.escaped()?);
        }
    }

    /// What stands behind a backslash.
    fn escaped(&mut self) -> Result<char> {
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(letter @ (b'"' | b'\\' | b'/')) => letter.into(),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let unit = self.unit()?;
                let pair = if (0xd800..0xdc00).contains(&unit) && self.eat("\\u") {
                    vec![unit, self.unit()?]
                } else {
                    vec![unit]
                };
                String::from_utf16(&pair)
                    .ok()
                    .and_then(|text| text.chars().next())
                    .ok_or_else(|| self.wrong("a character"))?
            }
            _ => {
                self.at -= 1;
                return Err(self.wrong("a letter that is escaped"));
            }
        })
    }

    /// Four hexadecimal digits: a unit of UTF-16.
    fn unit(&mut self) -> Result<u16> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|text| u16::from_str_radix(text, 16).ok());
        self.at += if unit.is_some() { 4 } else { 0 };
        unit.ok_or_else(|| self.wrong("four hexadecimal digits"))
    }
}

impl Json {
    fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
        Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn text(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    fn texts(texts: &[&str]) -> Json {
        Json::List(texts.iter().map(|text| Json::text(text)).collect())
    }

    /// Writes the value behind what `line` has. Numbers are finite.
    fn write(&self, line: &mut String) {
        match self {
            Json::Null => line.push_str("null"),
            Json::Bool(value) => line.push_str(if *value { "true" } else { "false" }),
            Json::Number(number) => {
                let start = line.len();
                // The shortest decimals that lead back, with an exponent where they would be long.
                let _ = write!(line, "{number:?}"); // cannot fail: a String takes all
                if line[start..].ends_with(".0") {
                    line.truncate(line.len() - 2);
                }
            }
            Json::Text(text) => {
                line.push('"');
                for letter in text.chars() {
                    match letter {
                        '"' | '\\' => line.extend(['\\', letter]),
                        ' '.. => line.push(letter),
                        _ => line.push_str(&format!("\\u{:04x}", u32::from(letter))),
                    }
                }
                line.push('"');
            }
            Json::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    line.push(if i == 0 { '[' } else { ',' });
                    item.write(line);
                }
                line.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Json::Object(members) => {
                for (i, (name, value)) in members.iter().enumerate() {
                    line.push(if i == 0 { '{' } else { ',' });
                    Json::text(name).write(line);
                    line.push(':');
                    value.write(line);
                }
                line.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }

    /// A member of an object; `what` it belongs to is for the message if there is none.
    fn get(&self, name: &str, what: &str) -> Result<&Json> {
        let member = match self {
            Json::Object(members) => members.get(name),
            _ => None,
        };
        member.ok_or_else(|| Failure::Internal(format!("{what} has no {name:?}")))
    }

    fn list(&self, what: &str) -> Result<&[Json]> {
        match self {
            Json::List(items) => Ok(items),
            other => Err(other.wrong(what, "a list")),
        }
    }

    fn str(&self, what: &str) -> Result<&str> {
        match self {
            Json::Text(text) => Ok(text),
            other => Err(other.wrong(what, "a string")),
        }
    }

    fn integer(&self, what: &str) -> Result<i64> {
        match self {
            // All whole numbers up to 2^53 are f64.
            Json::Number(x) if x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0 => Ok(*x as i64),
            other => Err(other.wrong(what, "an integer")),
        }
    }

    fn length(&self, what: &str) -> Result<usize> {
        usize::try_from(self.integer(what)?).map_err(|_| self.wrong(what, "an integer from 0"))
    }

    fn lengths(&self, what: &str) -> Result<Vec<usize>> {
        self.list(what)?.iter().map(|length| length.length(what)).collect()
    }

    fn number(&self, what: &str) -> Result<f64> {
        match self {
            Json::Number(x) => Ok(*x),
            Json::Text(text) => match text.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                "-0" => Ok(-0.0),
                _ => Err(self.wrong(what, "a number")),
            },
            other => Err(other.wrong(what, "a number")),
        }
    }

    fn wrong(&self, what: &str, expected: &str) -> Failure {
        let mut found = String::new();
        self.write(&mut found);
        let shown: String = found.chars().take(80).collect();
        Failure::Internal(format!("{what}: expected {expected}, found {shown}"))
    }
}

// ------------------------------------------------------------------------------------------ Protocol

/// The attributes of a node.
struct Attributes<'a> {
    op: &'a str,
    given: Option<&'a BTreeMap<String, Json>>,
}

impl<'a> Attributes<'a> {
    fn new(op: &'a str, node: &'a Json) -> Result<Self> {
        let Some((known, _)) = OPERATIONS.iter().find(|(_, names)| names.contains(&op)) else {
            return Err(Failure::Unsupported(op.to_owned()));
        };
        let given = match node.get("attrs", op) {
            Ok(Json::Object(members)) => Some(members),
            Ok(other) => return Err(other.wrong("attrs", "an object")),
            Err(_) => None,
        };
        if let Some(name) =
            given.into_iter().flat_map(BTreeMap::keys).find(|name| !known.contains(&name.as_str()))
        {
            return Err(Failure::Internal(format!("{op} has no attribute {name:?}")));
        }
        Ok(Attributes { op, given })
    }

    fn get(&self, name: &str) -> Option<&Json> {
        self.given.and_then(|members| members.get(name))
    }

    fn required(&self, name: &str) -> Result<&Json> {
        self.get(name)
            .ok_or_else(|| Failure::Internal(format!("{} without its attribute {name:?}", self.op)))
    }

    fn number(&self, name: &str) -> Result<f64> {
        self.required(name)?.number(name)
    }

    fn length(&self, name: &str) -> Result<usize> {
        self.required(name)?.length(name)
    }

    fn shape(&self, name: &str) -> Result<Vec<usize>> {
        self.required(name)?.lengths(name)
    }

    fn axis(&self, name: &str, default: i64) -> Result<i64> {
        self.get(name).map_or(Ok(default), |axis| axis.integer(name))
    }

    /// An axis or a list of them; None for null, the default.
    fn axes(&self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::List(axes)) => {
                axes.iter().map(|axis| axis.integer(name)).collect::<Result<_>>().map(Some)
            }
            Some(axis) => Ok(Some(vec![axis.integer(name)?])),
        }
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(Json::Bool(value)) => Ok(*value),
            Some(other) => Err(other.wrong(name, "true or false")),
        }
    }
}

fn decode(tensor: &Json) -> Result<Array> {
    let dtype = tensor.get("dtype", "a tensor")?;
    if dtype.str("dtype")? != "float64" {
        return Err(dtype.wrong("dtype", "\"float64\""));
    }
    let shape = tensor.get("shape", "a tensor")?.lengths("shape")?;
    let items = tensor.get("data", "a tensor")?.list("data")?;
    let data = items.iter().map(|x| x.number("data")).collect::<Result<Vec<_>>>()?;
    if size_of(&shape)? != data.len() {
        return Err(Failure::Shape(format!("{} elements for the shape {shape:?}", data.len())));
    }
    Ok(Array::new(shape, data))
}

fn encode(array: &Array) -> Json {
    let number = |&x: &f64| match x {
        _ if x.is_nan() => Json::text("NaN"),
        _ if x.is_infinite() => Json::text(if x > 0.0 { "Infinity" } else { "-Infinity" }),
        _ if x == 0.0 && x.is_sign_negative() => Json::text("-0"),
        _ => Json::Number(x),
    };
    Json::object([
        ("dtype", Json::text("float64")),
        ("shape", Json::List(array.shape.iter().map(|&length| Json::Number(length as f64)).collect())),
        ("data", Json::List(array.data.iter().map(number).collect())),
    ])
}

fn start() -> Json {
    let mut ops = BTreeMap::new();
    for (attributes, names) in OPERATIONS {
        let told = Json::object([("attrs", Json::texts(attributes))]);
        ops.extend(names.iter().map(|name| ((*name).to_owned(), told.clone())));
    }
    Json::object([
        ("protocol", Json::Number(1.0)),
        (
            "implementation",
            Json::object([
                ("name", Json::text("dezero-port")),
                ("version", Json::text("1.0.0")),
                ("language", Json::text("Rust")),
            ]),
        ),
        ("dtypes", Json::texts(&["float64"])),
        ("ops", Json::Object(ops)),
        ("features", Json::texts(&["vjp", "multi_output", "nonfinite"])),
        ("numbers", Json::texts(&["decimal"])),
    ])
}

/// What a reply says, beside its id.
type Members = Vec<(&'static str, Json)>;

/// The values that some references name.
fn named(references: &Json, values: &[Rc<Variable>], what: &str) -> Result<Vec<Rc<Variable>>> {
    let value = |i: &Json| {
        let found = values.get(i.length(what)?);
        found.cloned().ok_or_else(|| i.wrong(what, &format!("a number below {}", values.len())))
    };
    references.list(what)?.iter().map(value).collect()
}

fn run(request: &Json) -> Result<Members> {
    let member = |name| request.get(name, "run");
    let inputs = member("inputs")?.list("inputs")?;
    let inputs = inputs.iter().map(|x| decode(x).map(Variable::leaf)).collect::<Result<Vec<_>>>()?;
    let mut values = inputs.clone();
    for node in member("nodes")?.list("nodes")? {
        let op = node.get("op", "a node")?.str("op")?;
        let operation = Operation::new(op, &Attributes::new(op, node)?)?;
        let operands = named(node.get("in", op)?, &values, "in")?;
        values.extend(Function::apply(operation, &operands)?);
    }
    let outputs = named(member("outputs")?, &values, "outputs")?;
    let want = member("want")?.list("want")?;
    let wants = |name: &str| want.iter().any(|word| matches!(word, Json::Text(text) if text == name));
    let mut reply = Vec::new();
    if wants("values") {
        reply.push(("values", Json::List(outputs.iter().map(|y| encode(&y.data)).collect())));
    }
    if wants("vjp") {
        let seeds = member("seeds")?.list("seeds")?.iter().map(decode).collect::<Result<Vec<_>>>()?;
        let fits = |(y, seed): (&Rc<Variable>, &Array)| y.data.shape == seed.shape;
        if seeds.len() != outputs.len() || !outputs.iter().zip(&seeds).all(fits) {
            return Err(Failure::Shape("seeds: expected one for each output, of its shape".to_owned()));
        }
        let wrt = named(member("wrt")?, &inputs, "wrt")?;
        backward(&outputs, &seeds)?;
        let grad = |x: &Rc<Variable>| x.grad.borrow().as_ref().map_or(Json::Null, encode);
        reply.push(("grads", Json::List(wrt.iter().map(grad).collect())));
    }
    Ok(reply)
}

/// None if there is no reply, for the port shall end.
fn reply(request: &Json) -> Result<Option<Members>> {
    match request.get("cmd", "the request")?.str("cmd")? {
        "stop" => Ok(None),
        "echo" => Ok(Some(vec![("tensor", encode(&decode(request.get("tensor", "echo")?)?))])),
        "run" => run(request).map(Some),
        other => Err(Failure::Internal(format!("no command {other:?}"))),
    }
}

fn failed(failure: Failure) -> Members {
    let (kind, message) = match failure {
        Failure::Shape(message) => ("shape", message),
        Failure::Internal(message) => ("internal", message),
        Failure::Unsupported(op) => {
            let message = Json::Text(format!("no operation {op}"));
            return vec![("unsupported", Json::object([("op", Json::Text(op))])), ("message", message)];
        }
    };
    vec![("error", Json::object([("kind", Json::text(kind)), ("message", Json::Text(message))]))]
}

/// The reply to a line; None if there is none.
fn answer(line: &[u8]) -> Option<Json> {
    let text =
        std::str::from_utf8(line).map_err(|_| Failure::Internal("the line is not UTF-8".to_owned()));
    let (id, members) = match text.and_then(Reader::read) {
        Err(failure) => (Json::Null, failed(failure)),
        Ok(request) if matches!(request.get("cmd", ""), Ok(Json::Text(cmd)) if cmd == "start") => {
            return Some(start())
        }
        Ok(request) => {
            let id = request.get("id", "the request").cloned().unwrap_or(Json::Null);
            (id, reply(&request).unwrap_or_else(|failure| Some(failed(failure)))?)
        }
    };
    let members = members.into_iter().chain([("id", id)]).map(|(name, value)| (name.to_owned(), value));
    Some(Json::Object(members.collect()))
}

fn main() -> io::Result<()> {
    let (mut lines, mut replies) = (io::stdin().lock(), io::stdout().lock());
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        // What nobody thought of is a reply, too, and costs one program.
        let answered = panic::catch_unwind(|| answer(&line)).unwrap_or_else(|_| {
            let members = failed(Failure::Internal("a panic: standard error says more".to_owned()));
            Some(Json::object([("id", Json::Null), members[0].clone()]))
        });
        let Some(reply) = answered else { break };
        let mut text = String::new();
        reply.write(&mut text);
        text.push('\n');
        replies.write_all(text.as_bytes())?;
        replies.flush()?;
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(name: &str, inputs: &[Rc<Variable>]) -> Rc<Variable> {
        let operation = Operation::new(name, &Attributes { op: name, given: None }).expect(name);
        Function::apply(operation, inputs).expect(name).remove(0)
    }

    #[test]
    fn a_graph_goes_with_the_last_variable_that_leads_to_it() {
        let x = Variable::leaf(Array::new(vec![], vec![2.0]));
        let y = apply("exp", &[Rc::clone(&x)]);
        let node = Rc::downgrade(&y.node);
        let z = apply("mul", &[Rc::clone(&y), Rc::clone(&y)]);
        drop(y);
        assert!(node.upgrade().is_some_and(|node| node.variable.upgrade().is_none()));
        backward(&[Rc::clone(&z)], &[Array::new(vec![], vec![1.0])]).expect("mul and exp");
        drop(z);
        assert!(node.upgrade().is_none());
    }

    #[test]
    fn a_long_chain_is_built_differentiated_and_freed() {
        let x = Variable::leaf(Array::new(vec![], vec![3.0]));
        let y = (0..200_000).fold(Rc::clone(&x), |y, _| apply("neg", &[y]));
        backward(&[y], &[Array::new(vec![], vec![1.0])]).expect("neg");
        assert_eq!(x.grad.borrow().as_ref().map(|g| g.data[0]), Some(1.0));
    }
}
