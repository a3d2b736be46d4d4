// A port of dezero to C: the profile `core` in float64, first derivatives. C11 and its library, no more.
//
// The file reads from top to bottom: memory, arrays, the graph, the operations, JSON, the protocol.
// Build it, and run it under the kit:
//
//     cc -std=c11 -O2 -o port examples/ports/c/port.c -lm
//     dezero verify --profile core -- ./port

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------------------- Memory and failures
//
// All that a request makes lies in one region, which is given back when the request is answered. So
// nothing has an owner of its own, no cycle matters, and a failure may leave from any depth.

typedef union Block {
    union Block *before;
    max_align_t aligned;
} Block;

#define MOST_BYTES ((size_t)1 << 30) // more than this a request may not take

static Block *region;
static size_t taken;

// Why a request cannot be answered, and where to go on. `kind` is one of the protocol, or "unsupported".
static jmp_buf failed;
static const char *kind;
static char message[400];

_Noreturn static void fail(const char *of_kind, const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(message, sizeof message, format, values);
    va_end(values);
    kind = of_kind;
    longjmp(failed, 1);
}

// Memory for n things, filled with zeros.
static void *take(size_t n, size_t size) {
    if (n > (MOST_BYTES - taken) / size) fail("internal", "a request may take %zu bytes", MOST_BYTES);
    Block *block = calloc(1, sizeof(Block) + n * size);
    if (block == NULL) fail("internal", "there is no memory");
    taken += n * size;
    block->before = region;
    region = block;
    return block + 1;
}

static void give_back(void) {
    while (region != NULL) {
        Block *before = region->before;
        free(region);
        region = before;
    }
    taken = 0;
}

// -------------------------------------------------------------------------------------------- Arrays

#define MOST_AXES 32
#define MOST_ELEMENTS ((size_t)1 << 27)

typedef struct {
    int rank;
    size_t n[MOST_AXES];
} Shape;

// A shape, and the elements row by row. Nothing changes an array once it is made.
typedef struct {
    Shape shape;
    size_t size;
    double *data;
} Array;

// The number of elements. An axis of length 0 does not excuse the others: strides are their products.
static size_t size_of(const Shape *shape) {
    size_t size = 1, bound = 1;
    for (int axis = 0; axis < shape->rank; axis++) {
        size_t n = shape->n[axis];
        if (n > MOST_ELEMENTS / bound) fail("shape", "a shape of more than %zu elements", MOST_ELEMENTS);
        bound *= n > 1 ? n : 1;
        size *= n;
    }
    return size;
}

static const char *show(const Shape *shape) {
    char *text = take((size_t)shape->rank + 1, 24), *end = text;
    *end++ = '[';
    for (int axis = 0; axis < shape->rank; axis++) {
        end += sprintf(end, axis > 0 ? ", %zu" : "%zu", shape->n[axis]);
    }
    *end = ']';
    return text;
}

static bool same(const Shape *s, const Shape *t) {
    return s->rank == t->rank && memcmp(s->n, t->n, (size_t)s->rank * sizeof s->n[0]) == 0;
}

static void append(Shape *shape, size_t n) {
    if (shape->rank == MOST_AXES) fail("shape", "a shape of more than %d axes", MOST_AXES);
    shape->n[shape->rank++] = n;
}

static Array *zeros(const Shape *shape) {
    Array *x = take(1, sizeof *x);
    x->shape = *shape;
    x->size = size_of(shape);
    x->data = take(x->size, sizeof x->data[0]);
    return x;
}

// Another shape over the same elements.
static const Array *reshape(const Array *x, const Shape *shape) {
    if (size_of(shape) != x->size) fail("shape", "%zu elements do not fit %s", x->size, show(shape));
    Array *y = take(1, sizeof *y);
    *y = *x;
    y->shape = *shape;
    return y;
}

// How far apart, in the flat data, neighbours along each axis are.
typedef struct {
    size_t n[MOST_AXES];
} Strides;

static Strides strides_of(const Shape *shape) {
    Strides strides = {{0}};
    size_t step = 1;
    for (int axis = shape->rank - 1; axis >= 0; axis--) {
        strides.n[axis] = step;
        step *= shape->n[axis];
    }
    return strides;
}

// The places of the elements of a shape, row by row, in data that is read by other strides.
typedef struct {
    const Shape *shape;
    Strides strides;
    size_t index[MOST_AXES];
    size_t at;
} Places;

static void advance(Places *places) {
    for (int axis = places->shape->rank - 1; axis >= 0; axis--) {
        places->at += places->strides.n[axis];
        if (++places->index[axis] < places->shape->n[axis]) return;
        places->at -= places->strides.n[axis] * places->shape->n[axis];
        places->index[axis] = 0;
    }
}

// The length of an axis that is counted from the end; 1 where the shape has none.
static size_t from_end(const Shape *shape, int i) {
    return i <= shape->rank ? shape->n[shape->rank - i] : 1;
}

// The shape to which two shapes broadcast.
static Shape broadcast_shape(const Shape *a, const Shape *b) {
    Shape shape = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 1; i <= shape.rank; i++) {
        size_t n = from_end(a, i), m = from_end(b, i);
        if (n != m && n != 1 && m != 1) fail("shape", "%s and %s do not broadcast", show(a), show(b));
        shape.n[shape.rank - i] = n == 1 ? m : n;
    }
    return shape;
}

// The strides by which an array of shape `narrow` is read as one of shape `wide`.
static Strides broadcast_strides(const Shape *narrow, const Shape *wide) {
    Shape together = broadcast_shape(narrow, wide);
    if (!same(&together, wide)) fail("shape", "%s does not broadcast to %s", show(narrow), show(wide));
    Strides own = strides_of(narrow), strides = {{0}};
    for (int i = 1; i <= narrow->rank; i++) {
        bool again = from_end(narrow, i) == 1;
        strides.n[wide->rank - i] = again ? 0 : own.n[narrow->rank - i];
    }
    return strides;
}

// The same data, read as another shape by some strides.
static const Array *read_by(const Array *x, const Shape *shape, Strides strides) {
    Array *y = zeros(shape);
    Places places = {shape, strides, {0}, 0};
    for (size_t i = 0; i < y->size; i++, advance(&places)) y->data[i] = x->data[places.at];
    return y;
}

static const Array *broadcast_to(const Array *x, const Shape *shape) {
    return same(&x->shape, shape) ? x : read_by(x, shape, broadcast_strides(&x->shape, shape));
}

// Folds all elements that broadcasting from `shape` would read in one place.
static const Array *fold_to(const Array *x, const Shape *shape, double first, double (*f)(double, double)) {
    Array *y = zeros(shape);
    for (size_t i = 0; i < y->size; i++) y->data[i] = first;
    Places places = {&x->shape, broadcast_strides(shape, &x->shape), {0}, 0};
    for (size_t i = 0; i < x->size; i++, advance(&places)) {
        y->data[places.at] = f(y->data[places.at], x->data[i]);
    }
    return y;
}

static double plus(double a, double b) { return a + b; }
static double minus(double a, double b) { return a - b; }
static double times(double a, double b) { return a * b; }
static double over(double a, double b) { return a / b; }
static double exp_minus(double a, double b) { return exp(a - b); }
static double larger(double a, double b) { return a > b || isnan(a) ? a : b; }

// The adjoint of broadcast_to: what was read several times is added up.
static const Array *sum_to(const Array *x, const Shape *shape) {
    return same(&x->shape, shape) ? x : fold_to(x, shape, 0, plus);
}

// f on the elements of arrays that broadcast against each other.
static const Array *zip(double (*f)(double, double), const Array *a, const Array *b) {
    Shape shape = broadcast_shape(&a->shape, &b->shape);
    a = broadcast_to(a, &shape);
    b = broadcast_to(b, &shape);
    Array *y = zeros(&shape);
    for (size_t i = 0; i < y->size; i++) y->data[i] = f(a->data[i], b->data[i]);
    return y;
}

static const Array *scaled(const Array *x, double factor) {
    Array *y = zeros(&x->shape);
    for (size_t i = 0; i < y->size; i++) y->data[i] = x->data[i] * factor;
    return y;
}

// Axes as an attribute gives them: some, or all.
typedef struct {
    bool all;
    int count;
    long axis[MOST_AXES];
} Axes;

// An axis counted from the front.
static int axis_of(long axis, int rank) {
    long counted = axis < 0 ? axis + rank : axis;
    if (counted < 0 || counted >= rank) fail("shape", "axis %ld of an array of %d axes", axis, rank);
    return (int)counted;
}

// The one axis that an attribute names.
static int only_axis(const Axes *axes, int rank) {
    if (axes->all || axes->count != 1) fail("internal", "axis: expected an integer");
    return axis_of(axes->axis[0], rank);
}

// What a reduction makes of a shape: the shape with the reduced axes kept, of length 1; the shape
// without them; and how many elements are reduced to one.
typedef struct {
    Shape kept, left;
    size_t n;
} Reduced;

static Reduced reduced(const Shape *shape, const Axes *axes) {
    bool goes[MOST_AXES] = {false};
    for (int i = 0; i < axes->count; i++) {
        int axis = axis_of(axes->axis[i], shape->rank);
        if (goes[axis]) fail("shape", "axis %d comes twice", axis);
        goes[axis] = true;
    }
    Reduced r = {.n = 1};
    for (int axis = 0; axis < shape->rank; axis++) {
        bool gone = axes->all || goes[axis];
        append(&r.kept, gone ? 1 : shape->n[axis]);
        if (gone) r.n *= shape->n[axis];
        else append(&r.left, shape->n[axis]);
    }
    return r;
}

// Axis i of the result is axis order[i] of x.
static const Array *transpose(const Array *x, const int *order) {
    Strides own = strides_of(&x->shape), strides = {{0}};
    Shape shape = {0};
    for (int i = 0; i < x->shape.rank; i++) {
        append(&shape, x->shape.n[order[i]]);
        strides.n[i] = own.n[order[i]];
    }
    return read_by(x, &shape, strides);
}

static const Array *swap_last(const Array *x) {
    int order[MOST_AXES], rank = x->shape.rank;
    for (int i = 0; i < rank; i++) order[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    return transpose(x, order);
}

// The leading axes of a stack of matrices, and two more.
static Shape stacked(const Shape *matrices, size_t rows, size_t columns) {
    Shape shape = *matrices;
    shape.rank -= 2;
    append(&shape, rows);
    append(&shape, columns);
    return shape;
}

// Stacks of matrices: [..., n, k] and [..., k, m] give [..., n, m].
static const Array *multiply(const Array *a, const Array *b) {
    size_t n = from_end(&a->shape, 2), k = from_end(&a->shape, 1), m = from_end(&b->shape, 1);
    if (from_end(&b->shape, 2) != k) {
        fail("shape", "the matrices %s and %s do not fit", show(&a->shape), show(&b->shape));
    }
    Shape left = stacked(&a->shape, 1, 1), right = stacked(&b->shape, 1, 1);
    Shape stack = broadcast_shape(&left, &right);
    Shape rows = stacked(&stack, n, k), columns = stacked(&stack, k, m), shape = stacked(&stack, n, m);
    const double *p = broadcast_to(a, &rows)->data, *q = broadcast_to(b, &columns)->data;
    Array *y = zeros(&shape);
    double *at = y->data;
    for (size_t s = 0; s < size_of(&stack); s++, p += n * k, q += k * m) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < m; j++, at++) {
                for (size_t l = 0; l < k; l++) *at += p[i * k + l] * q[l * m + j];
            }
        }
    }
    return y;
}

// How many elements lie behind each place of an axis, and how often the axis is run through.
static size_t inner_of(const Shape *shape, int axis) {
    size_t n = 1;
    for (int i = axis + 1; i < shape->rank; i++) n *= shape->n[i];
    return n;
}

static size_t outer_of(const Shape *shape, int axis) {
    size_t n = 1;
    for (int i = 0; i < axis; i++) n *= shape->n[i];
    return n;
}

// The arrays one behind another along an axis.
static const Array *concatenate(int count, const Array *const *xs, int axis) {
    Shape shape = xs[0]->shape;
    for (int k = 1; k < count; k++) {
        Shape other = xs[k]->shape;
        size_t length = axis < other.rank ? other.n[axis] : 0;
        other.n[axis] = xs[0]->shape.n[axis];
        if (!same(&other, &xs[0]->shape)) {
            fail("shape", "%s and %s along axis %d", show(&xs[0]->shape), show(&xs[k]->shape), axis);
        }
        shape.n[axis] += length;
    }
    Array *y = zeros(&shape);
    double *at = y->data;
    for (size_t block = 0; block < outer_of(&shape, axis); block++) {
        for (int k = 0; k < count; k++) {
            size_t run = xs[k]->shape.n[axis] * inner_of(&shape, axis);
            memcpy(at, xs[k]->data + block * run, run * sizeof *at);
            at += run;
        }
    }
    return y;
}

// The part of x along an axis that begins at a place: the inverse of concatenate.
static const Array *part_of(const Array *x, int axis, size_t start, size_t length) {
    Shape shape = x->shape;
    shape.n[axis] = length;
    Array *part = zeros(&shape);
    size_t inner = inner_of(&shape, axis), run = length * inner;
    for (size_t block = 0; block < outer_of(&shape, axis); block++) {
        const double *from = x->data + (block * x->shape.n[axis] + start) * inner;
        memcpy(part->data + block * run, from, run * sizeof *from);
    }
    return part;
}

// --------------------------------------------------------------------------------------------- Graph
//
// A Variable leads to the Function that made it, and that to its input Variables: from newer to older.
// A Function does not lead to the Variables that it gave, only to their arrays.

typedef struct Function Function;
typedef struct Operation Operation;

// What the user holds.
typedef struct {
    const Array *data;
    const Array *grad;      // NULL if it has none
    Function *creator;      // NULL for a leaf
    int index;              // which of its creator's outputs it is
    long generation;
    const Array *cotangent; // of a leaf, while backward runs
} Variable;

typedef struct {
    double c;
    bool keepdims;
    long sections;
    Shape shape;
    Axes axes;
} Attributes;

// One application of an operation.
struct Function {
    const Operation *operation;
    Attributes attributes;
    int n_in, n_out;
    Variable **inputs;
    const Array **xs;  // the arrays of the inputs
    const Array **ys;  // the arrays of the outputs
    const Array **gys; // their cotangents, while backward runs; NULL before any has come
    long generation;
};

struct Operation {
    const char *name;
    int arity; // 0 for one operand or more
    void (*forward)(Function *f);                     // from xs and attributes, makes ys
    void (*vjp)(const Function *f, const Array **gxs); // from gys, xs and ys, makes gxs
    const char *attributes[2];                        // what it takes
    Axes axes;                                        // the default of its axes
    double (*value)(double a, double b);              // element by element, if it works so;
    double (*slope[2])(double g, double a, double b); // the cotangent of each operand
    bool averages;                                    // whether a reduction divides
};

// Applies an operation: its outputs are written to ys, which has room for them.
static void apply(const Operation *operation, const Attributes *attributes, int n_in, Variable **inputs,
                  int n_out, Variable **ys) {
    Function *f = take(1, sizeof *f);
    *f = (Function){operation, *attributes, n_in, n_out, inputs, NULL, NULL, NULL, 0};
    f->xs = take((size_t)n_in, sizeof f->xs[0]);
    f->ys = take((size_t)n_out, sizeof f->ys[0]);
    for (int i = 0; i < n_in; i++) {
        f->xs[i] = inputs[i]->data;
        if (inputs[i]->generation > f->generation) f->generation = inputs[i]->generation;
    }
    operation->forward(f);
    for (int i = 0; i < n_out; i++) {
        ys[i] = take(1, sizeof *ys[i]);
        *ys[i] = (Variable){f->ys[i], NULL, f, i, f->generation + 1, NULL};
    }
}

// The cotangents of the inputs; broadcasting is undone here, for all operations.
static void pull(Function *f, const Array **gxs) {
    for (int i = 0; i < f->n_out; i++) {
        if (f->gys[i] == NULL) f->gys[i] = zeros(&f->ys[i]->shape);
    }
    f->operation->vjp(f, gxs);
    for (int i = 0; i < f->n_in; i++) gxs[i] = sum_to(gxs[i], &f->xs[i]->shape);
    f->gys = NULL;
}

// Functions that wait for their turn, the largest generation first: a binary heap. And the leaves that
// have received a cotangent.
typedef struct {
    Function **heap;
    size_t waiting;
    Variable **leaves;
    size_t n_leaves;
} Backward;

static void push(Backward *backward, Function *f) {
    size_t at = backward->waiting++;
    for (; at > 0 && backward->heap[(at - 1) / 2]->generation < f->generation; at = (at - 1) / 2) {
        backward->heap[at] = backward->heap[(at - 1) / 2];
    }
    backward->heap[at] = f;
}

static Function *pop(Backward *backward) {
    Function **heap = backward->heap, *first = heap[0], *last = heap[--backward->waiting];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < backward->waiting; at = child) {
        bool right = child + 1 < backward->waiting;
        if (right && heap[child + 1]->generation > heap[child]->generation) child++;
        if (heap[child]->generation <= last->generation) break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

static void receive(Backward *backward, Variable *x, const Array *g) {
    const Array **place = &x->cotangent;
    if (x->creator != NULL) {
        if (x->creator->gys == NULL) {
            x->creator->gys = take((size_t)x->creator->n_out, sizeof x->creator->gys[0]);
            push(backward, x->creator);
        }
        place = &x->creator->gys[x->index];
    } else if (*place == NULL) {
        backward->leaves[backward->n_leaves++] = x;
    }
    *place = *place == NULL ? g : zip(plus, *place, g);
}

// Adds to the grad of each leaf the derivative of the sum of seed * output over the outputs. There are
// no more than n_functions Functions, and n_leaves leaves.
static void backward_from(size_t n, Variable **outputs, const Array **seeds, size_t n_functions,
                          size_t n_leaves) {
    Backward backward = {take(n_functions, sizeof(Function *)), 0, take(n_leaves, sizeof(Variable *)), 0};
    for (size_t i = 0; i < n; i++) receive(&backward, outputs[i], seeds[i]);
    while (backward.waiting > 0) {
        Function *f = pop(&backward);
        const Array **gxs = take((size_t)f->n_in, sizeof gxs[0]);
        pull(f, gxs);
        for (int i = 0; i < f->n_in; i++) receive(&backward, f->inputs[i], gxs[i]);
    }
    for (size_t i = 0; i < backward.n_leaves; i++) {
        Variable *leaf = backward.leaves[i];
        leaf->grad = leaf->grad == NULL ? leaf->cotangent : zip(plus, leaf->grad, leaf->cotangent);
        leaf->cotangent = NULL;
    }
}

// ---------------------------------------------------------------------------------------- Operations

// One operand, element by element: the value from x; its cotangent from g, x and y.
static void unary_forward(Function *f) {
    Array *y = zeros(&f->xs[0]->shape);
    for (size_t i = 0; i < y->size; i++) y->data[i] = f->operation->value(f->xs[0]->data[i], 0);
    f->ys[0] = y;
}

static void unary_vjp(const Function *f, const Array **gxs) {
    Array *gx = zeros(&f->xs[0]->shape);
    for (size_t i = 0; i < gx->size; i++) {
        gx->data[i] = f->operation->slope[0](f->gys[0]->data[i], f->xs[0]->data[i], f->ys[0]->data[i]);
    }
    gxs[0] = gx;
}

// Two operands that broadcast: the value from a and b; the cotangent of each from g, a and b.
static void binary_forward(Function *f) { f->ys[0] = zip(f->operation->value, f->xs[0], f->xs[1]); }

static void binary_vjp(const Function *f, const Array **gxs) {
    const Array *gy = f->gys[0];
    const Array *a = broadcast_to(f->xs[0], &gy->shape), *b = broadcast_to(f->xs[1], &gy->shape);
    for (int k = 0; k < 2; k++) {
        Array *gx = zeros(&gy->shape);
        for (size_t i = 0; i < gx->size; i++) {
            gx->data[i] = f->operation->slope[k](gy->data[i], a->data[i], b->data[i]);
        }
        gxs[k] = gx;
    }
}

static double sigmoid(double x) {
    if (x >= 0) return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}

// g where `side` is the larger, half of it at a tie, else 0.
static double share(double g, double side, double other) {
    return side > other ? g : side == other ? g / 2 : 0;
}

#define UNUSED(a, b, c) ((void)(a), (void)(b), (void)(c))
#define UNARY(name, value, slope)                                                           \
    static double name##_value(double x, double _) { UNUSED(x, _, _); return value; }       \
    static double name##_slope(double g, double x, double y) { UNUSED(g, x, y); return slope; }
#define BINARY(name, value, slope_a, slope_b)                                                   \
    static double name##_value(double a, double b) { return value; }                            \
    static double name##_slope_a(double g, double a, double b) { UNUSED(g, a, b); return slope_a; } \
    static double name##_slope_b(double g, double a, double b) { UNUSED(g, a, b); return slope_b; }

BINARY(add, a + b, g, g)
BINARY(sub, a - b, g, -g)
BINARY(mul, a * b, g * b, g * a)
BINARY(div, a / b, g / b, -(g / b) * (a / b))
BINARY(maximum, larger(a, b), share(g, a, b), share(g, b, a))
UNARY(neg, -x, -g)
UNARY(square, x * x, g * 2 * x)
UNARY(sqrt, sqrt(x), g / (2 * y))
UNARY(exp, exp(x), g * y)
UNARY(log, log(x), g / x)
UNARY(sin, sin(x), g * cos(x))
UNARY(cos, cos(x), -g * sin(x))
UNARY(tanh, tanh(x), g * 4 * sigmoid(2 * x) * sigmoid(-2 * x))
UNARY(sigmoid, sigmoid(x), g * y * sigmoid(-x))
UNARY(relu, x > 0 ? x : 0, x > 0 ? g : 0)

static void pow_forward(Function *f) {
    Array *y = zeros(&f->xs[0]->shape);
    for (size_t i = 0; i < y->size; i++) y->data[i] = pow(f->xs[0]->data[i], f->attributes.c);
    f->ys[0] = y;
}

static void pow_vjp(const Function *f, const Array **gxs) {
    double c = f->attributes.c;
    Array *gx = zeros(&f->xs[0]->shape);
    for (size_t i = 0; i < gx->size; i++) {
        double g = f->gys[0]->data[i], x = f->xs[0]->data[i];
        gx->data[i] = c == 0 ? g * 0 : g * c * pow(x, c - 1);
    }
    gxs[0] = gx;
}

static void reduction_forward(Function *f) {
    Reduced r = reduced(&f->xs[0]->shape, &f->attributes.axes);
    const Array *sum = sum_to(f->xs[0], &r.kept);
    if (f->operation->averages) sum = scaled(sum, 1.0 / (double)r.n);
    f->ys[0] = reshape(sum, f->attributes.keepdims ? &r.kept : &r.left);
}

static void reduction_vjp(const Function *f, const Array **gxs) {
    Reduced r = reduced(&f->xs[0]->shape, &f->attributes.axes);
    const Array *gy = reshape(f->gys[0], &r.kept);
    if (f->operation->averages) gy = scaled(gy, 1.0 / (double)r.n);
    gxs[0] = broadcast_to(gy, &f->xs[0]->shape);
}

static void broadcast_to_forward(Function *f) { f->ys[0] = broadcast_to(f->xs[0], &f->attributes.shape); }
static void broadcast_to_vjp(const Function *f, const Array **gxs) {
    gxs[0] = sum_to(f->gys[0], &f->xs[0]->shape);
}

static void sum_to_forward(Function *f) { f->ys[0] = sum_to(f->xs[0], &f->attributes.shape); }
static void sum_to_vjp(const Function *f, const Array **gxs) {
    gxs[0] = broadcast_to(f->gys[0], &f->xs[0]->shape);
}

static void reshape_forward(Function *f) { f->ys[0] = reshape(f->xs[0], &f->attributes.shape); }
static void reshape_vjp(const Function *f, const Array **gxs) {
    gxs[0] = reshape(f->gys[0], &f->xs[0]->shape);
}

// The axes of a transposition, counted from the front; and where each of them goes.
static void permutation(const Axes *axes, int rank, int *order, int *inverse) {
    bool seen[MOST_AXES] = {false};
    if (!axes->all && axes->count != rank) fail("shape", "%d axes for %d", axes->count, rank);
    for (int i = 0; i < rank; i++) {
        order[i] = axes->all ? rank - 1 - i : axis_of(axes->axis[i], rank);
        if (seen[order[i]]) fail("shape", "axis %d comes twice", order[i]);
        seen[order[i]] = true;
        inverse[order[i]] = i;
    }
}

static void transpose_forward(Function *f) {
    int order[MOST_AXES], inverse[MOST_AXES];
    permutation(&f->attributes.axes, f->xs[0]->shape.rank, order, inverse);
    f->ys[0] = transpose(f->xs[0], order);
}

static void transpose_vjp(const Function *f, const Array **gxs) {
    int order[MOST_AXES], inverse[MOST_AXES];
    permutation(&f->attributes.axes, f->xs[0]->shape.rank, order, inverse);
    gxs[0] = transpose(f->gys[0], inverse);
}

// The operands of a matrix product as stacks of matrices: a vector is a row on the left, a column on
// the right.
static void matrices(const Function *f, const Array **rows, const Array **columns) {
    const Array *a = f->xs[0], *b = f->xs[1];
    if (a->shape.rank == 0 || b->shape.rank == 0) fail("shape", "matmul takes no numbers");
    Shape row = {2, {1, a->shape.n[0]}}, column = {2, {b->shape.n[0], 1}};
    *rows = a->shape.rank == 1 ? reshape(a, &row) : a;
    *columns = b->shape.rank == 1 ? reshape(b, &column) : b;
}

static void matmul_forward(Function *f) {
    const Array *rows, *columns;
    matrices(f, &rows, &columns);
    const Array *y = multiply(rows, columns);
    size_t n = from_end(&y->shape, 2), m = from_end(&y->shape, 1);
    Shape shape = y->shape;
    shape.rank -= 2;
    if (f->xs[0]->shape.rank > 1) append(&shape, n);
    if (f->xs[1]->shape.rank > 1) append(&shape, m);
    f->ys[0] = reshape(y, &shape);
}

static void matmul_vjp(const Function *f, const Array **gxs) {
    const Array *rows, *columns;
    matrices(f, &rows, &columns);
    Shape left = stacked(&rows->shape, 1, 1), right = stacked(&columns->shape, 1, 1);
    Shape stack = broadcast_shape(&left, &right);
    Shape shape = stacked(&stack, from_end(&rows->shape, 2), from_end(&columns->shape, 1));
    const Array *gy = reshape(f->gys[0], &shape);
    const Array *ga = sum_to(multiply(gy, swap_last(columns)), &rows->shape);
    const Array *gb = sum_to(multiply(swap_last(rows), gy), &columns->shape);
    gxs[0] = reshape(ga, &f->xs[0]->shape);
    gxs[1] = reshape(gb, &f->xs[1]->shape);
}

static void softmax_forward(Function *f) {
    const Array *x = f->xs[0];
    only_axis(&f->attributes.axes, x->shape.rank);
    Reduced r = reduced(&x->shape, &f->attributes.axes);
    const Array *e = zip(exp_minus, x, fold_to(x, &r.kept, -INFINITY, larger));
    f->ys[0] = zip(over, e, sum_to(e, &r.kept));
}

static void softmax_vjp(const Function *f, const Array **gxs) {
    const Array *y = f->ys[0];
    Reduced r = reduced(&y->shape, &f->attributes.axes);
    const Array *weighted = zip(times, f->gys[0], y);
    gxs[0] = zip(minus, weighted, zip(times, y, sum_to(weighted, &r.kept)));
}

static void concatenate_forward(Function *f) {
    int axis = only_axis(&f->attributes.axes, f->xs[0]->shape.rank);
    f->ys[0] = concatenate(f->n_in, f->xs, axis);
}

static void concatenate_vjp(const Function *f, const Array **gxs) {
    int axis = only_axis(&f->attributes.axes, f->xs[0]->shape.rank);
    size_t start = 0;
    for (int k = 0; k < f->n_in; k++) {
        size_t length = f->xs[k]->shape.n[axis];
        gxs[k] = part_of(f->gys[0], axis, start, length);
        start += length;
    }
}

static void split_forward(Function *f) {
    const Array *x = f->xs[0];
    int axis = only_axis(&f->attributes.axes, x->shape.rank);
    size_t length = x->shape.n[axis], sections = (size_t)f->n_out;
    if (f->attributes.sections != f->n_out || length % sections != 0) {
        fail("shape", "%ld equal parts of %s, %d outputs", f->attributes.sections, show(&x->shape), f->n_out);
    }
    for (size_t k = 0; k < sections; k++) {
        f->ys[k] = part_of(x, axis, k * (length / sections), length / sections);
    }
}

static void split_vjp(const Function *f, const Array **gxs) {
    gxs[0] = concatenate(f->n_out, f->gys, only_axis(&f->attributes.axes, f->xs[0]->shape.rank));
}

#define ROW(name_, ...) \
    {.name = #name_, .forward = name_##_forward, .vjp = name_##_vjp, __VA_ARGS__}
#define REDUCTION(name_, ...) \
    {.name = #name_, .arity = 1, .forward = reduction_forward, .vjp = reduction_vjp, \
     .attributes = {"axis", "keepdims"}, .axes = {.all = true}, __VA_ARGS__}
#define UNARY_ROW(name_) \
    {.name = #name_, .arity = 1, .forward = unary_forward, .vjp = unary_vjp, \
     .value = name_##_value, .slope = {name_##_slope}}
#define BINARY_ROW(name_) \
    {.name = #name_, .arity = 2, .forward = binary_forward, .vjp = binary_vjp, \
     .value = name_##_value, .slope = {name_##_slope_a, name_##_slope_b}}

static const Operation OPERATIONS[] = {
    BINARY_ROW(add),
    BINARY_ROW(sub),
    BINARY_ROW(mul),
    BINARY_ROW(div),
    BINARY_ROW(maximum),
    UNARY_ROW(neg),
    UNARY_ROW(square),
    UNARY_ROW(sqrt),
    UNARY_ROW(exp),
    UNARY_ROW(log),
    UNARY_ROW(sin),
    UNARY_ROW(cos),
    UNARY_ROW(tanh),
    UNARY_ROW(sigmoid),
    UNARY_ROW(relu),
    REDUCTION(sum, .averages = false),
    REDUCTION(mean, .averages = true),
    ROW(pow, .arity = 1, .attributes = {"c"}),
    ROW(broadcast_to, .arity = 1, .attributes = {"shape"}),
    ROW(sum_to, .arity = 1, .attributes = {"shape"}),
    ROW(reshape, .arity = 1, .attributes = {"shape"}),
    ROW(transpose, .arity = 1, .attributes = {"axes"}, .axes = {.all = true}),
    ROW(matmul, .arity = 2),
    ROW(softmax, .arity = 1, .attributes = {"axis"}, .axes = {false, 1, {1}}),
    ROW(concatenate, .arity = 0, .attributes = {"axis"}, .axes = {false, 1, {0}}),
    ROW(split, .arity = 1, .attributes = {"sections", "axis"}, .axes = {false, 1, {0}}),
};

#define N_OPERATIONS (sizeof OPERATIONS / sizeof OPERATIONS[0])

static const Operation *operation_of(const char *name) {
    for (size_t i = 0; i < N_OPERATIONS; i++) {
        if (strcmp(OPERATIONS[i].name, name) == 0) return &OPERATIONS[i];
    }
    fail("unsupported", "%s", name);
}

// ---------------------------------------------------------------------------------------------- JSON

typedef enum { NOTHING, FALSE, TRUE, NUMBER, TEXT, LIST, OBJECT } Kind;

typedef struct Json {
    Kind kind;
    const char *name; // of a member of an object
    double number;
    const char *text;
    size_t count; // of the items of a list, the members of an object
    struct Json *first, *next;
} Json;

#define MOST_NESTED 64 // deeper nesting is refused: the reader calls itself

typedef struct {
    const char *line, *at;
} Reader;

_Noreturn static void unexpected(const Reader *reader, const char *expected) {
    fail("internal", "byte %td of the line: expected %s", reader->at - reader->line, expected);
}

static void skip_space(Reader *reader) { reader->at += strspn(reader->at, " \t\r\n"); }

static bool skip(Reader *reader, const char *token) {
    size_t length = strlen(token);
    if (strncmp(reader->at, token, length) != 0) return false;
    reader->at += length;
    return true;
}

static void skip_digits(Reader *reader) {
    size_t count = strspn(reader->at, "0123456789");
    if (count == 0) unexpected(reader, "a digit");
    reader->at += count;
}

// strtod rounds correctly, but takes more than JSON allows: so what it takes is looked at first.
static double read_number(Reader *reader) {
    const char *start = reader->at;
    skip(reader, "-");
    if (!skip(reader, "0")) skip_digits(reader);
    if (skip(reader, ".")) skip_digits(reader);
    if (skip(reader, "e") || skip(reader, "E")) {
        if (!skip(reader, "+")) skip(reader, "-");
        skip_digits(reader);
    }
    return strtod(start, NULL);
}

// All names of the protocol are ASCII: any other letter is read as a question mark.
static const char *read_text(Reader *reader) {
    if (!skip(reader, "\"")) unexpected(reader, "a string");
    const char *from = "\"\\/bfnrt", *to = "\"\\/\b\f\n\r\t";
    size_t room = strcspn(reader->at, "\"") + 1, length = 0;
    char *text = take(room, 1);
    while (!skip(reader, "\"")) {
        if (length + 1 >= room) { // a quotation mark stood behind a backslash
            text = memcpy(take(room *= 2, 1), text, length);
        }
        unsigned char letter = (unsigned char)*reader->at;
        if (letter < ' ') unexpected(reader, "a letter");
        reader->at++;
        if (letter == '\\' && skip(reader, "u")) {
            if (strspn(reader->at, "0123456789abcdefABCDEF") < 4) unexpected(reader, "four digits");
            char digits[5] = {0};
            unsigned long code = strtoul(memcpy(digits, reader->at, 4), NULL, 16);
            reader->at += 4;
            letter = code > 0 && code < 128 ? (unsigned char)code : '?';
        } else if (letter == '\\') {
            const char *escape = *reader->at == '\0' ? NULL : strchr(from, *reader->at);
            if (escape == NULL) unexpected(reader, "an escape");
            letter = (unsigned char)to[escape - from];
            reader->at++;
        }
        text[length++] = (char)(letter < 128 ? letter : '?');
    }
    return text;
}

static Json *read_value(Reader *reader, int depth) {
    Json *value = take(1, sizeof *value);
    if (depth > MOST_NESTED) fail("internal", "no more than %d levels are read", MOST_NESTED);
    skip_space(reader);
    bool object = *reader->at == '{';
    if (skip(reader, "null")) value->kind = NOTHING;
    else if (skip(reader, "false")) value->kind = FALSE;
    else if (skip(reader, "true")) value->kind = TRUE;
    else if (*reader->at == '"') {
        value->kind = TEXT;
        value->text = read_text(reader);
    } else if (*reader->at == '-' || (*reader->at >= '0' && *reader->at <= '9')) {
        value->kind = NUMBER;
        value->number = read_number(reader);
    } else if (object || *reader->at == '[') {
        const char *end = object ? "}" : "]";
        Json **place = &value->first;
        value->kind = object ? OBJECT : LIST;
        reader->at++;
        skip_space(reader);
        while (!skip(reader, end)) {
            const char *name = NULL;
            if (value->count++ > 0 && !skip(reader, ",")) unexpected(reader, "a comma, or the end");
            skip_space(reader);
            if (object) {
                name = read_text(reader);
                skip_space(reader);
                if (!skip(reader, ":")) unexpected(reader, "a colon");
            }
            *place = read_value(reader, depth + 1);
            (*place)->name = name;
            place = &(*place)->next;
            skip_space(reader);
        }
    } else {
        unexpected(reader, "a value");
    }
    return value;
}

static const Json *read_line(const char *line) {
    Reader reader = {line, line};
    const Json *value = read_value(&reader, 0);
    skip_space(&reader);
    if (*reader.at != '\0') unexpected(&reader, "the end");
    return value;
}

// A member of an object; NULL if there is none.
static const Json *find(const Json *object, const char *name) {
    const Json *member = object->kind == OBJECT ? object->first : NULL;
    while (member != NULL && strcmp(member->name, name) != 0) member = member->next;
    return member;
}

static const Json *get(const Json *object, const char *name, Kind expected) {
    const Json *member = find(object, name);
    if (member == NULL) fail("internal", "there is no \"%s\"", name);
    if (member->kind != expected) fail("internal", "\"%s\" is of another kind than expected", name);
    return member;
}

static const char *get_text(const Json *object, const char *name) { return get(object, name, TEXT)->text; }

static long integer_of(const Json *value, const char *what) {
    bool fits = value->kind == NUMBER && fabs(value->number) <= 1e15; // all of these are doubles
    if (!fits || value->number != floor(value->number)) fail("internal", "%s: expected an integer", what);
    return (long)value->number;
}

static double number_of(const Json *value, const char *what) {
    if (value->kind == NUMBER) return value->number;
    const char *text = value->kind == TEXT ? value->text : "";
    if (strcmp(text, "NaN") == 0) return NAN;
    if (strcmp(text, "Infinity") == 0) return INFINITY;
    if (strcmp(text, "-Infinity") == 0) return -INFINITY;
    if (strcmp(text, "-0") == 0) return -0.0;
    fail("internal", "%s: expected a number", what);
}

static Shape shape_of(const Json *list, const char *what) {
    if (list->kind != LIST) fail("internal", "%s: expected a list", what);
    Shape shape = {0};
    for (const Json *item = list->first; item != NULL; item = item->next) {
        long length = integer_of(item, what);
        if (length < 0) fail("internal", "%s: expected integers from 0", what);
        append(&shape, (size_t)length);
    }
    return shape;
}

static void put_text(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        if ((unsigned char)*text < ' ') printf("\\u%04x", (unsigned)*text);
        else putchar(*text);
    }
    putchar('"');
}

// The shortest of the decimals of 15 to 17 digits that lead back.
static void put_number(double x) {
    char text[32];
    if (isnan(x)) fputs("\"NaN\"", stdout);
    else if (isinf(x)) fputs(x > 0 ? "\"Infinity\"" : "\"-Infinity\"", stdout);
    else if (x == 0) fputs(signbit(x) ? "\"-0\"" : "0", stdout);
    else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, x);
            if (strtod(text, NULL) == x) break;
        }
        fputs(text, stdout);
    }
}

// ------------------------------------------------------------------------------------------ Protocol

static const Array *decode(const Json *tensor) {
    if (strcmp(get_text(tensor, "dtype"), "float64") != 0) fail("internal", "dtype: expected float64");
    Shape shape = shape_of(get(tensor, "shape", LIST), "shape");
    const Json *data = get(tensor, "data", LIST);
    if (data->count != size_of(&shape)) fail("shape", "%zu numbers for %s", data->count, show(&shape));
    Array *x = zeros(&shape);
    double *at = x->data;
    for (const Json *item = data->first; item != NULL; item = item->next) *at++ = number_of(item, "data");
    return x;
}

static void put_tensor(const Array *x) {
    fputs("{\"dtype\":\"float64\",\"shape\":[", stdout);
    for (int axis = 0; axis < x->shape.rank; axis++) printf(axis > 0 ? ",%zu" : "%zu", x->shape.n[axis]);
    fputs("],\"data\":[", stdout);
    for (size_t i = 0; i < x->size; i++) {
        if (i > 0) putchar(',');
        put_number(x->data[i]);
    }
    fputs("]}", stdout);
}

// An axis or a list of them; all of them for null.
static Axes axes_of(const Json *value, const char *what) {
    Axes axes = {.all = value->kind == NOTHING};
    if (value->kind == NUMBER) axes.axis[axes.count++] = integer_of(value, what);
    else if (value->kind == LIST && value->count <= MOST_AXES) {
        for (const Json *item = value->first; item != NULL; item = item->next) {
            axes.axis[axes.count++] = integer_of(item, what);
        }
    } else if (!axes.all) {
        fail("internal", "%s: expected null, an integer or a list of up to %d", what, MOST_AXES);
    }
    return axes;
}

// What a node says of its attributes; where it does not, their defaults.
static Attributes attributes_of(const Operation *operation, const Json *node) {
    Attributes found = {.axes = operation->axes};
    const Json *given = find(node, "attrs");
    size_t known = 0;
    for (int i = 0; i < 2 && operation->attributes[i] != NULL; i++) {
        const char *name = operation->attributes[i];
        const Json *value = given == NULL ? NULL : find(given, name);
        if (value != NULL) known++;
        if (strcmp(name, "axis") == 0 || strcmp(name, "axes") == 0) {
            if (value != NULL) found.axes = axes_of(value, name);
        } else if (strcmp(name, "keepdims") == 0) {
            found.keepdims = value != NULL && value->kind == TRUE;
        } else if (value == NULL) {
            fail("internal", "%s without its attribute \"%s\"", operation->name, name);
        } else if (strcmp(name, "c") == 0) {
            found.c = number_of(value, name);
        } else if (strcmp(name, "sections") == 0) {
            found.sections = integer_of(value, name);
        } else {
            found.shape = shape_of(value, name);
        }
    }
    if (given != NULL && given->count != known) fail("internal", "%s: an unknown attribute", operation->name);
    return found;
}

// The values that some references name.
static Variable **named(const Json *list, Variable **values, size_t n_values) {
    Variable **found = take(list->count, sizeof found[0]), **place = found;
    for (const Json *item = list->first; item != NULL; item = item->next) {
        long i = integer_of(item, "a reference");
        if (i < 0 || (size_t)i >= n_values) fail("internal", "value %ld of %zu", i, n_values);
        *place++ = values[i];
    }
    return found;
}

static const Array **decode_all(const Json *list) {
    const Array **arrays = take(list->count, sizeof arrays[0]), **place = arrays;
    for (const Json *item = list->first; item != NULL; item = item->next) *place++ = decode(item);
    return arrays;
}

static long outputs_of(const Json *node) {
    const Json *n_out = find(node, "n_out");
    long n = n_out == NULL ? 1 : integer_of(n_out, "n_out");
    if (n < 1 || n > 1000000) fail("internal", "n_out is %ld", n);
    return n;
}

static bool wants(const Json *want, const char *what) {
    const Json *item = want->first;
    while (item != NULL && !(item->kind == TEXT && strcmp(item->text, what) == 0)) item = item->next;
    return item != NULL;
}

// Runs a program and writes the reply, which begins when nothing can fail any more.
static void run(const Json *request) {
    const Json *inputs = get(request, "inputs", LIST), *nodes = get(request, "nodes", LIST);
    const Json *want = get(request, "want", LIST);
    size_t n_values = inputs->count;
    for (const Json *node = nodes->first; node != NULL; node = node->next) n_values += (size_t)outputs_of(node);
    Variable **values = take(n_values, sizeof values[0]);
    const Array **given = decode_all(inputs);
    for (size_t i = 0; i < inputs->count; i++) {
        values[i] = take(1, sizeof *values[i]);
        values[i]->data = given[i];
    }
    size_t made = inputs->count;
    for (const Json *node = nodes->first; node != NULL; node = node->next) {
        const Operation *operation = operation_of(get_text(node, "op"));
        const Json *in = get(node, "in", LIST);
        Attributes attributes = attributes_of(operation, node);
        int n_in = (int)in->count, n_out = (int)outputs_of(node);
        bool fits = operation->arity == 0 ? n_in > 0 : n_in == operation->arity;
        if (!fits) fail("internal", "%d operands for %s", n_in, operation->name);
        if (n_out > 1 && operation->forward != split_forward) fail("internal", "%d outputs", n_out);
        apply(operation, &attributes, n_in, named(in, values, made), n_out, &values[made]);
        made += (size_t)n_out;
    }
    const Json *outputs = get(request, "outputs", LIST), *wrt = NULL;
    Variable **ys = named(outputs, values, n_values), **xs = NULL;
    if (wants(want, "vjp")) {
        const Json *seeds = get(request, "seeds", LIST);
        const Array **gys = decode_all(seeds);
        if (seeds->count != outputs->count) fail("shape", "%zu seeds, %zu outputs", seeds->count, outputs->count);
        for (size_t i = 0; i < seeds->count; i++) {
            if (!same(&gys[i]->shape, &ys[i]->data->shape)) fail("shape", "seed %zu: %s", i, show(&gys[i]->shape));
        }
        wrt = get(request, "wrt", LIST);
        xs = named(wrt, values, inputs->count);
        backward_from(outputs->count, ys, gys, nodes->count, inputs->count);
    }
    printf("{\"id\":%ld", integer_of(get(request, "id", NUMBER), "id"));
    if (wants(want, "values")) {
        fputs(",\"values\":[", stdout);
        for (size_t i = 0; i < outputs->count; i++) {
            if (i > 0) putchar(',');
            put_tensor(ys[i]->data);
        }
        fputs("]", stdout);
    }
    if (wrt != NULL) {
        fputs(",\"grads\":[", stdout);
        for (size_t i = 0; i < wrt->count; i++) {
            if (i > 0) putchar(',');
            if (xs[i]->grad == NULL) fputs("null", stdout);
            else put_tensor(xs[i]->grad);
        }
        fputs("]", stdout);
    }
    fputs("}\n", stdout);
}

static void start(void) {
    fputs("{\"protocol\":1,\"implementation\":{\"name\":\"dezero.c\",\"version\":\"1\",\"language\":\"C\"},"
          "\"dtypes\":[\"float64\"],\"features\":[\"vjp\",\"multi_output\",\"nonfinite\"],"
          "\"numbers\":[\"decimal\"],\"ops\":{", stdout);
    for (size_t i = 0; i < N_OPERATIONS; i++) {
        const char *const *names = OPERATIONS[i].attributes;
        printf(i > 0 ? ",\"%s\":{\"attrs\":[" : "\"%s\":{\"attrs\":[", OPERATIONS[i].name);
        for (int k = 0; k < 2 && names[k] != NULL; k++) printf(k > 0 ? ",\"%s\"" : "\"%s\"", names[k]);
        fputs("]}", stdout);
    }
    fputs("}}\n", stdout);
}

// Replies to a line; returns false if there is no reply, for the port shall end.
static bool answer(const char *line) {
    static const Json *request; // not on the stack, which a failure leaves
    request = NULL;
    if (setjmp(failed) == 0) {
        request = read_line(line);
        const char *cmd = get_text(request, "cmd");
        if (strcmp(cmd, "stop") == 0) return false;
        if (strcmp(cmd, "start") == 0) start();
        else if (strcmp(cmd, "run") == 0) run(request);
        else if (strcmp(cmd, "echo") == 0) {
            const Array *x = decode(get(request, "tensor", OBJECT));
            printf("{\"id\":%ld,\"tensor\":", integer_of(get(request, "id", NUMBER), "id"));
            put_tensor(x);
            fputs("}\n", stdout);
        } else fail("internal", "no command \"%s\"", cmd);
    } else {
        const Json *id = request == NULL ? NULL : find(request, "id");
        bool named = id != NULL && id->kind == NUMBER;
        if (named) printf("{\"id\":%.0f,", id->number);
        else fputs("{\"id\":null,", stdout);
        if (strcmp(kind, "unsupported") == 0) {
            fputs("\"unsupported\":{\"op\":", stdout);
            put_text(message);
            fputs("},\"message\":\"no such operation\"}\n", stdout);
        } else {
            printf("\"error\":{\"kind\":\"%s\",\"message\":", kind);
            put_text(message);
            fputs("}}\n", stdout);
        }
    }
    give_back();
    return true;
}

int main(void) {
    size_t room = 1 << 16, length = 0;
    char *line = malloc(room);
    for (int letter; line != NULL && (letter = getchar()) != EOF;) {
        if (letter == '\n') {
            line[length] = '\0';
            length = 0;
            if (!answer(line)) break;
            fflush(stdout);
            continue;
        }
        line[length++] = (char)letter;
        if (length == room) {
            char *wider = realloc(line, room *= 2);
            if (wider == NULL) free(line);
            line = wider;
        }
    }
    give_back();
    free(line);
    return 0;
}
