"""The executable specification of the functions for networks; see `dezero.verify.reference`."""

from __future__ import annotations

import math

import numpy as np

from dezero.contract import Array
from dezero.verify.reference import Value, abs, log_softmax, mean, real, sigmoid, softplus, square


def linear(x: Array, W: Array, b: Array) -> Value:
    """Σᵢ x[…, i] · W[i, o] + b[o]."""
    return np.matmul(x, W) + b


def dropout(x: Array, *, mask: Array, dropout_ratio: float) -> Value:
    """x / (1 - dropout_ratio) where the mask holds, 0 elsewhere."""
    return np.where(mask, x / (1 - dropout_ratio), 0 * x)


def embed_id(W: Array, *, x: Array) -> Value:
    """W[x]."""
    return W[x]


def silu(x: Array) -> Value:
    """x / (1 + exp(-x))."""
    return x * sigmoid(x)


def gelu(x: Array) -> Value:
    """x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, where (1 + tanh u) / 2 is 1 / (1 + exp(-2u))."""
    return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))


def lstm_cell(f: Array, i: Array, o: Array, u: Array, c: Array) -> Value:
    """The output h = σ(o) tanh(c') and the state c' = σ(f) c + σ(i) tanh(u)."""
    state = sigmoid(f) * c + sigmoid(i) * np.tanh(u)
    return sigmoid(o) * np.tanh(state), state


def batch_norm(x: Array, gamma: Array, beta: Array, *, eps: float) -> Value:
    """gamma · (x - mean) / √(var + eps) + beta over all axes but the second."""
    axes = tuple(a for a in range(x.ndim) if a != 1)
    channels = (-1,) + (1,) * (x.ndim - 2)
    return gamma.reshape(channels) * _standardized(x, axes, eps) + beta.reshape(channels)


def layer_norm(x: Array, gamma: Array, beta: Array, *, eps: float) -> Value:
    """gamma · (x - mean) / √(var + eps) + beta over the last axis."""
    return gamma * _standardized(x, (x.ndim - 1,), eps) + beta


def mean_squared_error(x0: Array, x1: Array) -> Value:
    """Σ (x0 - x1)² / len(x0)."""
    return np.sum((x0 - x1) * (x0 - x1)) / _length(x0)


def huber(x0: Array, x1: Array, *, delta: float) -> Value:
    """Σ h(x0 - x1) / len(x0); h(d) = d² / 2 where |d| < delta, delta (|d| - delta / 2) elsewhere."""
    d = x0 - x1
    h = np.where(real(abs(d)) < delta, d * d / 2, delta * (abs(d) - delta / 2))
    return np.sum(h) / _length(x0)


def softmax_cross_entropy(x: Array, *, t: Array) -> Value:
    """The mean over rows of -log softmax(x) at t."""
    return -np.sum(log_softmax(x, axis=1)[np.arange(len(x)), t]) / len(x)


def sigmoid_cross_entropy(x: Array, t: Array) -> Value:
    """Σ (log(1 + exp(x)) - t x) / len(x)."""
    return np.sum(softplus(x) - t * x) / _length(x)


def binary_cross_entropy(p: Array, t: Array) -> Value:
    """Σ -(t log p + (1 - t) log(1 - p)) / len(p), for 0 < p < 1."""
    return np.sum(-(t * np.log(p) + (1 - t) * np.log1p(-p))) / _length(p)


def _length(x: Array) -> int:
    return len(x) if x.ndim else 1


def _standardized(x: Array, axes: tuple[int, ...], eps: float) -> Value:
    centred = x - mean(x, axis=axes, keepdims=True)
    return centred / np.sqrt(mean(square(centred), axis=axes, keepdims=True) + eps)
