"""Large symmetric matrices by BLAS and LAPACK, with Python's other threads running meanwhile.

`scipy.linalg.eigh` holds Python's global lock until it is done, which takes 40 seconds for 6,000 features on two cores.
No progress bar moves meanwhile. SciPy also exports the routines themselves, for Cython. Called by ctypes, they run
without the lock and give the same bits.
"""

import ctypes
from ctypes import byref, c_char, c_double, c_float, c_int, c_void_p
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def gram(rows: Float[Tensor, "n dim"], out: Float[Tensor, "dim dim"]) -> Float[Tensor, "dim dim"]:
    """Compute the lower triangle of rows^T rows.

    BLAS's ssyrk takes half the operations of the whole product. On a GPU, and in other precisions, the whole is
    computed.

    Args:
        rows: The rows.
        out: Where to write the products.

    Returns:
        `out`. What it has above the diagonal is not to be used.

    Examples:
        >>> gram(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), out=torch.empty(2, 2)).tril()
        tensor([[10.,  0.],
                [14., 20.]])

    """
    n, dim = rows.shape
    if rows.device.type != "cpu" or rows.dtype != torch.float32 or not rows.numel():
        return torch.mm(rows.mT, rows, out=out)
    order, one, zero = c_int(dim), c_float(1.0), c_float(0.0)
    # BLAS reads arrays by columns: the rows are its columns, and the lower triangle is its upper one
    what = (c_char(b"U"), c_char(b"N"), order, c_int(n))
    _call("cython_blas", "ssyrk", *what, one, rows.contiguous().numpy(), order, zero, out.numpy(), order)
    return out


def generalized_eigh(
    a: Float[np.ndarray, "n n"], b: Float[np.ndarray, "n n"], k: int
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "n k"]]:
    """Solve a w = value b w for the k largest values.

    Args:
        a: A symmetric matrix, float64; its lower triangle is read.
        b: A symmetric positive definite matrix, float64; its lower triangle is read.
        k: How many values, 1 to n.

    Returns:
        The values in increasing order, and the vectors w as columns, of length 1 by b.

    Raises:
        ValueError: b is not positive definite, or the solution does not converge.

    Examples:
        >>> values, vectors = generalized_eigh(np.diag([1.0, 4.0]), np.diag([1.0, 2.0]), 1)
        >>> values.round(9).tolist()
        [2.0]

    """
    n = len(a)
    a, b = np.array(a, np.float64, order="F"), np.array(b, np.float64, order="F")  # both are overwritten
    values, vectors = np.empty(n), np.empty((n, k), order="F")
    integers, failed, found, info = (np.zeros(size, np.intc) for size in (5 * n, n, 1, 1))
    itype, order, first, last = c_int(1), c_int(n), c_int(n - k + 1), c_int(n)
    zero = c_double(0.0)

    def solve(work: Float[np.ndarray, " w"], length: int) -> None:
        _call(
            *("cython_lapack", "dsygvx"),
            *(itype, c_char(b"V"), c_char(b"I"), c_char(b"L"), order, a, order, b, order, zero, zero, first, last),
            *(zero, found, values, vectors, order, work, c_int(length), integers, failed, info),
        )

    wanted = np.empty(1)
    solve(wanted, -1)  # asks how much room the solution takes
    solve(np.empty(int(wanted[0])), int(wanted[0]))
    if info[0] > n:
        raise ValueError(f"the matrix b is not positive definite (its leading minor of order {info[0] - n})")
    if info[0]:
        raise ValueError(f"the eigenproblem did not converge (LAPACK dsygvx gave {info[0]})")
    return values[:k].copy(), vectors


def _call(module: str, name: str, *arguments: Any) -> None:
    """Call a routine as SciPy exports it, by ctypes, which lets Python's lock go; everything is passed by address."""
    addresses = [each.ctypes.data if isinstance(each, np.ndarray) else byref(each) for each in arguments]
    ctypes.CFUNCTYPE(None, *[c_void_p] * len(addresses))(_address(module, name))(*addresses)


@cache
def _address(module: str, name: str) -> int:
    """Where SciPy has a routine."""
    capsule = import_module(f"scipy.linalg.{module}").__pyx_capi__[name]
    python = ctypes.pythonapi
    python.PyCapsule_GetName.restype, python.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    python.PyCapsule_GetPointer.restype = c_void_p
    python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address: int = python.PyCapsule_GetPointer(capsule, python.PyCapsule_GetName(capsule))
    return address
