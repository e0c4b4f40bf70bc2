# SPDX-License-Identifier: Apache-2.0
"""Matrix products that are quick whether or not numpy came with a BLAS library.

Numpy from the package index has one. Blender's own numpy may have none; its `@` then runs a plain
loop, many times slower than einsum, whose inner loops use the processor's vectors.
"""

import time
from collections.abc import Callable
from functools import cache

import numpy as np

Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a @ b` of vectors, matrices or stacks of matrices in float32."""
    return _fastest()(a, b)


def einsum_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rows = "i" if a.ndim > 1 else ""
    stack = "h" if a.ndim > 2 else ""
    return np.einsum(f"{stack}{rows}j,{stack}jk->{stack}{rows}k", a, b)


@cache
def _fastest() -> Product:
    a, b = np.ones((256, 128), np.float32), np.ones((128, 128), np.float32)
    return min((np.matmul, einsum_product), key=lambda way: _seconds(way, a, b))


def _seconds(way: Product, a: np.ndarray, b: np.ndarray) -> float:
    """The best of five, because the first one wakes things up and others share the machine."""
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        way(a, b)
        best = min(best, time.perf_counter() - started)
    return best
