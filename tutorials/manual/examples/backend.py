"""Examples of minicnn.backend. A value after → is what the line gives, and a test compares them."""

import numpy as np
from minicnn import backend, ops

# %% Backend
kernels = backend.kernels_for(np.ones(3, np.float32))
isinstance(kernels, backend.Backend)  # → True

# %% backends
sorted(backend.backends())[-1]  # → 'numpy'

# %% current_backend
with backend.use_backend("numpy"):
    backend.current_backend()  # → 'numpy'

# %% kernels_for
with backend.use_backend("numpy"):
    backend.kernels_for(np.ones(3)).gram(np.ones((1, 2, 2))).tolist()  # → [[[2.0, 2.0], [2.0, 2.0]]]


# %% register
def my_gram(features):
    return np.einsum("npi,npj->nij", features, features)


backend.register("example", gram=my_gram)
with backend.use_backend("example"):  # the definitions compute the rest
    ops.gram_matrix(np.ones((1, 2, 2, 1))).tolist()  # → [[[4.0]]]

# %% use_backend
with backend.use_backend("numpy"):
    ops.relu([-1.0, 1.0]).tolist()  # → [0.0, 1.0]
