"""`dezero.functions`: what they take and what they give."""

from __future__ import annotations

from typing import assert_type

import numpy as np

import dezero.functions as F
from dezero import Variable
from dezero.graph import VariableNamespace
from dezero.namespace import Namespace

x = Variable(np.array([[0.1, 0.2], [0.3, 0.4]]))

assert_type(F.exp(x), Variable)
assert_type(F.log(x.data), Variable)
assert_type(F.sqrt(2.0), Variable)
assert_type(F.sin(np.float32(0.5)), Variable)
assert_type(F.tanh(x), Variable)
assert_type(F.relu(x - 0.2), Variable)
assert_type(F.leaky_relu(x, 0.1), Variable)
assert_type(F.clip(x, 0.15, 0.35), Variable)
assert_type(F.maximum(x, 0.2), Variable)
assert_type(F.where(x > 0.2, x, 0.0), Variable)
assert_type(F.astype(x, np.dtype(np.float32)), Variable)
assert_type(F.sum(x), Variable)
assert_type(F.sum(x, axis=(0, 1), keepdims=True), Variable)
assert_type(F.mean(x, 0), Variable)
assert_type(F.reshape(x, (4,)), Variable)
assert_type(F.reshape(x, -1), Variable)
assert_type(F.transpose(x, [1, 0]), Variable)
assert_type(F.broadcast_to(x, (3, 2, 2)), Variable)
assert_type(F.sum_to(x, (1, 2)), Variable)
assert_type(F.matmul(x, x.data), Variable)
assert_type(F.get_item(x, (0, slice(None))), Variable)
assert_type(F.concatenate([x, x.data], axis=0), Variable)
assert_type(F.stack((x, x)), Variable)
assert_type(F.pow(x, 2), Variable)
assert_type(F.pow(x, x), Variable)

# The classes behind them; several outputs are a list.
assert_type(F.Exp()(x), Variable)
assert_type(F.Add()(x, 1.0), Variable)
assert_type(F.split(x, 2), list[Variable])
assert_type(F.Split(2, 1)(x), list[Variable])
first, second = F.split(x, 2)
assert_type(first, Variable)
assert_type(second, Variable)

# What networks need. Labels, masks and running statistics are arrays.
labels = np.array([0, 1])
gamma, beta, mean, var = np.ones(2), np.zeros(2), np.zeros(2), np.ones(2)
assert_type(F.linear(x, x.T), Variable)
assert_type(F.linear(x, x.T, beta), Variable)
assert_type(F.dropout(x, dropout_ratio=0.2), Variable)
assert_type(F.embed_id(labels, x), Variable)
assert_type(F.embed_id(Variable(labels), x), Variable)
assert_type(F.silu(x) + F.gelu(x), Variable)
assert_type(F.batch_norm(x, gamma, beta, mean, var, decay=0.8), Variable)
assert_type(F.batch_nrom(x, gamma, beta, mean, var), Variable)
assert_type(F.layer_norm(x, gamma, beta), Variable)
assert_type(F.mean_squared_error(x, x.data), Variable)
assert_type(F.huber(x, x.data, delta=0.5), Variable)
assert_type(F.softmax_cross_entropy(x, labels), Variable)
assert_type(F.sigmoid_cross_entropy(x, x.data > 0.2), Variable)
assert_type(F.binary_cross_entropy(x, x.data), Variable)
assert_type(F.accuracy(x, labels), Variable)
assert_type(F.lstm_cell(x, x, x, x, x), tuple[Variable, Variable])
h, state = F.lstm_cell(x, x, x, x, x)
assert_type(h, Variable)

# Their classes; what they are made with is not differentiated.
assert_type(F.Linear()(x, x.T, beta), Variable)
assert_type(F.SoftmaxCrossEntropy(labels)(x), Variable)
assert_type(F.BatchNorm(eps=1e-3)(x, gamma, beta), Variable)
assert_type(F.LSTMCell()(x, x, x, x, x), list[Variable])

# Images.
images, kernels = np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3))
assert_type(F.conv2d(images, kernels, stride=(1, 2), pad=1), Variable)
assert_type(F.pooling(images, 2, stride=2), Variable)
assert_type(F.im2col(images, (3, 3)), Variable)

# The module is what rules are given to record themselves, and the checkers hold it against that.
namespace: Namespace[Variable] = F
everything: VariableNamespace = F
assert_type(namespace.exp(x), Variable)
assert_type(everything.mean(x), Variable)

assert [type(part) for part in F.split(x, 2)] == [Variable, Variable]
