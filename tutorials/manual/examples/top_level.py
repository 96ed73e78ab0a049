"""Examples of minicnn's own names. A value after → is what the line gives, and a test compares them."""

import numpy as np
import minicnn
from minicnn import Tensor

# %% Tensor
x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
y = (x @ x.transpose()).sum()
y.backward()
x.grad.tolist()  # → [[8.0, 12.0], [8.0, 12.0]]

# %% GradcheckError
try:
    minicnn.gradcheck(minicnn.op(lambda x: (x * x, lambda dy: dy)), [np.array([1.0, 2.0])])
except minicnn.GradcheckError as wrong:
    "FAILED" in str(wrong)  # → True

# %% InputError
try:
    minicnn.ops.concat([np.ones((2, 3)), np.ones((3, 3))], axis=1)
except minicnn.InputError as wrong:
    str(wrong)  # → 'concat: shapes [(2, 3), (3, 3)] do not join along axis 1'

# %% __version__
minicnn.__version__.count(".")  # → 2

# %% cache_info
minicnn.clear_cache()
minicnn.cache_info()[0]  # → 805306368

# %% clear_cache
minicnn.clear_cache()

# %% frozen
model = minicnn.nn.Linear(3, 2)
with minicnn.frozen(model):  # no gradients for its parameters, and they cannot be written to
    y = model(np.ones((1, 3)))
y.requires_grad  # → False

# %% gradcheck
report = minicnn.gradcheck(lambda x: x * x, [np.array([1.0, 2.0])])
bool(report)  # → True

# %% no_grad
x = Tensor([2.0], requires_grad=True)
with minicnn.no_grad():
    y = x * x
y.requires_grad  # → False


# %% op
@minicnn.op
def double(x):
    """2x."""
    return 2 * x, lambda dy: 2 * dy


x = Tensor([3.0], requires_grad=True)
double(x).sum().backward()
x.grad.tolist()  # → [2.0]

# %% record
x = Tensor([3.0], requires_grad=True)
with minicnn.record() as tape:
    y = x * x
len(tape)  # → 1

# %% set_threads
minicnn.set_threads(2)

# %% use_backend
with minicnn.use_backend("numpy"):
    minicnn.backend.current_backend()  # → 'numpy'
