# What is public, for type checkers: minicnn/__init__.py loads most of it when it is first used.
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeAlias, TypeVar, overload

import numpy as np

from minicnn import backend as backend
from minicnn import datasets as datasets
from minicnn import faces as faces
from minicnn import hdf5 as hdf5
from minicnn import images as images
from minicnn import learn as learn
from minicnn import models as models
from minicnn import nn as nn
from minicnn import ops as ops
from minicnn import optim as optim
from minicnn import scale as scale
from minicnn import style as style
from minicnn import tape as tape
from minicnn import training as training
from minicnn import visualize as visualize
from minicnn import zoo as zoo
from minicnn.backend import use_backend as use_backend
from minicnn.errors import GradcheckError as GradcheckError
from minicnn.errors import InputError as InputError
from minicnn.gradients.checking import gradcheck as gradcheck
from minicnn.methods import Operand
from minicnn.nn import frozen as frozen
from minicnn.operation import no_grad as no_grad
from minicnn.resources import cache_info as cache_info
from minicnn.resources import clear_cache as clear_cache
from minicnn.resources import set_threads as set_threads
from minicnn.tape import record as record
from minicnn.tensor import Tensor as Tensor

__version__: str

# @op turns a function on arrays into an operation on Tensors. Up to three arrays in front may be Tensors, and what
# follows keeps its names and types.
_P = ParamSpec("_P")
_F = TypeVar("_F", covariant=True)
_Array: TypeAlias = np.ndarray[Any, Any]
_Result: TypeAlias = tuple[Any, Callable[..., Any]]

class _Operation(Generic[_F]):
    @overload
    def __call__(self: _Operation[Callable[_P, _Result]], *arguments: _P.args, **options: _P.kwargs) -> Tensor: ...
    @overload
    def __call__(
        self: _Operation[Callable[Concatenate[_Array, _P], _Result]],
        x: Operand,
        /,
        *arguments: _P.args,
        **options: _P.kwargs,
    ) -> Tensor: ...
    @overload
    def __call__(
        self: _Operation[Callable[Concatenate[_Array, _Array, _P], _Result]],
        x: Operand,
        y: Operand,
        /,
        *arguments: _P.args,
        **options: _P.kwargs,
    ) -> Tensor: ...
    @overload
    def __call__(
        self: _Operation[Callable[Concatenate[_Array, _Array, _Array, _P], _Result]],
        x: Operand,
        y: Operand,
        z: Operand,
        /,
        *arguments: _P.args,
        **options: _P.kwargs,
    ) -> Tensor: ...

_Function = TypeVar("_Function", bound=Callable[..., _Result])

@overload
def op(function: _Function, /) -> _Operation[_Function]: ...
@overload
def op(
    *,
    inputs: int | None = None,
    fresh: bool = False,
    adds: bool = False,
    fuses: dict[str, dict[str, Any]] | None = None,
) -> Callable[[_Function], _Operation[_Function]]: ...
