"""Examples of minicnn.ops: one for each operation. A value after → is what the line gives, and a test compares them."""

import numpy as np
from minicnn import Tensor, ops

row = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
picture = np.arange(16.0).reshape(1, 4, 4, 1)  # (N, H, W, C)

# %% abs
ops.abs(row).tolist()  # → [1.0, 0.0, 2.0]

# %% add
ops.add(row, 1).tolist()  # → [0.0, 1.0, 3.0]

# %% avg_pool
ops.avg_pool(picture, 2).tolist()  # → [[[[2.5], [4.5]], [[10.5], [12.5]]]]

# %% batch_norm
gamma, beta = np.ones(1), np.zeros(1)
y = ops.batch_norm([[1.0], [3.0]], gamma, beta, np.zeros(1), np.ones(1), eps=0.0, training=True)
y.tolist()  # → [[-1.0], [1.0]]

# %% binary_cross_entropy
loss = ops.binary_cross_entropy([2.0, -1.0], [1.0, 0.0])
f"{loss:.4f}"  # → '0.2201'

# %% clip
ops.clip(row, 0, 1).tolist()  # → [0.0, 0.0, 1.0]

# %% concat
ops.concat([[1.0, 2.0], [3.0]], axis=0).tolist()  # → [1.0, 2.0, 3.0]

# %% conv
filters = np.ones((3, 3, 1, 1))  # (height, width, in_channels, out_channels)
ops.conv(picture, filters).tolist()  # → [[[[45.0], [54.0]], [[81.0], [90.0]]]]
ops.conv(picture, filters, padding="same", stride=2).shape  # → (1, 2, 2, 1)

# %% cross_entropy
loss = ops.cross_entropy([[3.0, 1.0], [0.0, 2.0]], [0, 1])
f"{loss:.4f}"  # → '0.1269'

# %% div
ops.div(row, 2).tolist()  # → [-0.5, 0.0, 1.0]

# %% dropout
ops.dropout(row, 0.5, training=False).tolist()  # → [-1.0, 0.0, 2.0]

# %% exp
ops.exp([0.0, 1.0]).tolist()  # → [1.0, 2.718281828459045]

# %% expand_dims
ops.expand_dims(row, 0).shape  # → (1, 3)

# %% flatten
ops.flatten(picture).shape  # → (1, 16)

# %% getitem
ops.getitem(row, slice(1, None)).tolist()  # → [0.0, 2.0]
row[1:].tolist()  # → [0.0, 2.0]

# %% gram_matrix
ops.gram_matrix([[[[1.0, 2.0], [3.0, 4.0]]]]).tolist()  # → [[[10.0, 14.0], [14.0, 20.0]]]

# %% l2_normalize
ops.l2_normalize([[3.0, 4.0]]).tolist()  # → [[0.6, 0.8]]

# %% l2_pool
ops.l2_pool([[[3.0], [4.0]]], 2).tolist()  # → [[[5.0]]]

# %% leaky_relu
ops.leaky_relu(row, 0.1).tolist()  # → [-0.1, 0.0, 2.0]

# %% linear
ops.linear([[1.0, 2.0]], np.ones((2, 3)), np.zeros(3)).tolist()  # → [[3.0, 3.0, 3.0]]

# %% local_response_norm
ops.local_response_norm([[1.0, 2.0]], size=1, alpha=3.0, beta=0.5, k=1.0).tolist()  # → [[0.5, 0.5547001962252291]]

# %% locally_connected
filters = np.ones((2, 3, 2, 1, 5))  # (places, size, in_channels, out_channels), one filter for each place
ops.locally_connected(np.ones((1, 4, 3, 1)), np.ones((2, 2, 3, 2, 1, 5))).shape  # → (1, 2, 2, 5)

# %% log
ops.log([1.0, np.e]).tolist()  # → [0.0, 1.0]

# %% log_softmax
ops.log_softmax([0.0, 0.0]).tolist()  # → [-0.6931471805599453, -0.6931471805599453]

# %% matmul
ops.matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist()  # → [[11.0]]

# %% max
ops.max(row).item()  # → 2.0

# %% max_pool
ops.max_pool(picture, 2).tolist()  # → [[[[5.0], [7.0]], [[13.0], [15.0]]]]

# %% maximum
ops.maximum(row, 1).tolist()  # → [1.0, 1.0, 2.0]

# %% mean
ops.mean([[1.0, 3.0], [5.0, 7.0]], axis=0).tolist()  # → [3.0, 5.0]

# %% mean_squared_error
ops.mean_squared_error([1.0, 2.0], [1.0, 4.0]).item()  # → 2.0

# %% min
ops.min(row).item()  # → -1.0

# %% minimum
ops.minimum(row, 1).tolist()  # → [-1.0, 0.0, 1.0]

# %% mul
ops.mul(row, row).sum().backward()
row.grad.tolist()  # → [-2.0, 0.0, 4.0]

# %% neg
ops.neg([1.0, -2.0]).tolist()  # → [-1.0, 2.0]

# %% norm
ops.norm([3.0, 4.0]).item()  # → 5.0

# %% pad
ops.pad([1.0, 2.0], [(1, 2)]).tolist()  # → [0.0, 1.0, 2.0, 0.0, 0.0]

# %% pairwise_distances
ops.pairwise_distances([[0.0, 0.0]], [[3.0, 4.0]], squared=True).tolist()  # → [[25.0]]

# %% power
ops.power([2.0, 3.0], 2).tolist()  # → [4.0, 9.0]

# %% prelu
ops.prelu([[-2.0, 4.0]], [0.5, 0.5]).tolist()  # → [[-1.0, 4.0]]

# %% relu
ops.relu(row).sum().backward()
row.grad.tolist()  # → [0.0, 0.0, 1.0]

# %% reshape
ops.reshape(picture, (4, 4)).shape  # → (4, 4)

# %% residual
ops.residual([1.0, 2.0], [3.0, -5.0]).tolist()  # → [4.0, -3.0]

# %% sigmoid
ops.sigmoid([0.0]).tolist()  # → [0.5]

# %% softmax
ops.softmax([0.0, 0.0]).tolist()  # → [0.5, 0.5]

# %% softplus
f"{ops.softplus(0.0):.4f}"  # → '0.6931'

# %% sqrt
ops.sqrt([4.0, 9.0]).tolist()  # → [2.0, 3.0]

# %% square
ops.square(row).tolist()  # → [1.0, 0.0, 4.0]

# %% squeeze
ops.squeeze(np.ones((1, 3))).shape  # → (3,)

# %% stack
ops.stack([row, row]).shape  # → (2, 3)

# %% std
ops.std([1.0, 3.0]).item()  # → 1.0

# %% sub
ops.sub(row, 1).tolist()  # → [-2.0, -1.0, 1.0]

# %% sum
ops.sum([[1.0, 2.0], [3.0, 4.0]], axis=1).tolist()  # → [3.0, 7.0]

# %% tanh
ops.tanh([0.0]).tolist()  # → [0.0]

# %% transpose
ops.transpose(picture, (0, 3, 1, 2)).shape  # → (1, 1, 4, 4)

# %% var
ops.var([1.0, 3.0]).item()  # → 1.0

# %% where
ops.where([True, False], [1.0, 2.0], [3.0, 4.0]).tolist()  # → [1.0, 4.0]
