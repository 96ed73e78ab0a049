"""Right answers that are written otherwise than the solutions, two of each exercise."""

import math

import numpy as np

import minicnn
from minicnn import Tensor, ops
from minicnn.faces import PairHead, encode, mine_triplets
from minicnn.style import style_cost
from minicnn.visualize import backward_rule


def triplet_loss_by_rows(y_true, y_pred, alpha=0.2):
    total = 0.0
    for a, p, n in zip(*y_pred, strict=True):
        total = total + ops.relu(((a - p) * (a - p)).sum() - ((a - n) * (a - n)).sum() + alpha)
    return total


def triplet_loss_by_products(y_true, y_pred, alpha=0.2):
    A, P, N = y_pred
    return (ops.clip(((P - N) * (P + N - 2.0 * A)).sum(axis=-1) + alpha, 0, np.inf)).sum()


def gram_matrix_by_matmul(A):
    return ops.matmul(A, ops.transpose(A))


def gram_matrix_by_broadcasting(A):
    channels, places = A.shape
    return (A.reshape(channels, 1, places) * A.reshape(1, channels, places)).sum(axis=2)


def guided_gram_by_roots(A, guide):
    inside = A * np.sqrt(guide)
    return inside @ inside.T / np.sum(guide)


def guided_gram_by_places(A, guide):
    places = [guide[p] * A[:, p : p + 1] @ A[:, p : p + 1].T for p in range(len(guide))]
    total = places[0]
    for place in places[1:]:
        total = total + place
    return total / sum(guide)


def content_cost_by_mean(content_output, generated_output):
    return ((content_output - generated_output) ** 2).mean() / 4


def content_cost_unrolled(content_output, generated_output):
    difference = (generated_output - content_output).reshape(-1)
    return 0.25 / difference.size * (difference @ difference)


def layer_style_cost_by_ops(a_S, a_G):
    _, H, W, _ = a_G.shape
    difference = ops.gram_matrix(a_S) - ops.gram_matrix(a_G)
    return 0.25 * ops.mean(ops.square(difference)) / (H * W) ** 2


def layer_style_cost_transposed_first(a_S, a_G):
    C = a_G.shape[-1]
    S, G = (ops.transpose(a, (3, 0, 1, 2)).reshape(C, -1) for a in (a_S, a_G))
    return ((S @ S.T - G @ G.T) ** 2).sum() / (2 * G.size) ** 2


def conv_forward_by_loops(x, w, b, stride=1, padding=0):
    (N, H, W, C), (K, _, _, F) = x.shape, w.shape
    y = np.empty((N, (H + 2 * padding - K) // stride + 1, (W + 2 * padding - K) // stride + 1, F))
    for n, i, j, f in np.ndindex(*y.shape):
        total = b[f]
        for p, q, c in np.ndindex(K, K, C):
            row, column = i * stride + p - padding, j * stride + q - padding
            if 0 <= row < H and 0 <= column < W:
                total += x[n, row, column, c] * w[p, q, c, f]
        y[n, i, j, f] = total
    return y


def conv_forward_by_views(x, w, b, stride=1, padding=0):
    around = (padding, padding)
    views = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), around, around, (0, 0))), w.shape[:2], (1, 2))
    return np.einsum("nijcpq,pqcf->nijf", views[:, ::stride, ::stride], w) + b


def verify_by_dot_products(image, identity, database, model):
    encoding, known = encode(model, image[None])[0], database[identity]
    d = float(np.sqrt(max(2 - 2 * encoding @ known, 0)))  # both are of length 1
    return d, d <= 0.9


def verify_by_squares(image, identity, database, model):
    difference = model(image[None] / np.float32(255)).numpy().ravel() - database[identity].ravel()
    dist = np.square(difference).sum() ** 0.5
    return (np.float64(dist), np.False_) if dist > 0.9 else (np.float64(dist), np.True_)


def who_is_it_by_a_loop(image, database, model):
    encoding, min_dist, identity = encode(model, image)[0], 100, None
    for name in database:
        dist = np.linalg.norm(encoding - database[name])
        if dist < min_dist:
            min_dist, identity = dist, name
    return (min_dist, identity) if min_dist <= 0.9 else (min_dist, None)


def who_is_it_by_a_matrix(image, database, model):
    names, known = [*database], np.stack([*database.values()])
    d = np.sqrt(((known - encode(model, [image])) ** 2).sum(axis=1))
    return [d.min(), names[d.argmin()] if d.min() <= 0.9 else None]


def style_cost_by_the_library(style_outputs, generated_outputs, STYLE_LAYERS):
    names = [name for name, _ in STYLE_LAYERS]
    style, generated = (dict(zip(names, outputs, strict=False)) for outputs in (style_outputs, generated_outputs))
    return style_cost(style, generated, dict(STYLE_LAYERS))


def style_cost_by_numbers(style_outputs, generated_outputs, STYLE_LAYERS):
    J = Tensor(0.0)
    for i in range(len(STYLE_LAYERS)):
        J = J + layer_style_cost_by_ops(style_outputs[i], generated_outputs[i]) * STYLE_LAYERS[i][1]
    return J


def total_cost_as_a_dot_product(J_content, J_style, alpha=10, beta=40):
    return float(np.dot([alpha, beta], [float(J_content), float(J_style)]))


def total_cost_by_ops(J_content, J_style, alpha=10, beta=40):
    return ops.add(ops.mul(J_content, alpha), ops.mul(J_style, beta))


def train_step_in_place(generated_image, model, cost, optimizer):
    with minicnn.frozen(model):
        J = cost(model(generated_image))
    generated_image.grad = None
    J.backward()
    optimizer.step()
    np.clip(generated_image.data, 0, 1, out=generated_image.data)
    return J.item()


def train_step_by_a_closure(generated_image, model, cost, optimizer):
    def evaluate():
        optimizer.zero_grad()
        with minicnn.frozen(model):
            J = cost(model(generated_image))
            J.backward()
        return J.item()

    J = optimizer.step(evaluate)
    generated_image.data = np.minimum(np.maximum(generated_image.data, 0), 1)
    return Tensor(J)


def conv_gradient_by_loops(dy, x, w):
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(w.shape[-1])
    for n, i, j, f in np.ndindex(*dy.shape):
        db[f] += dy[n, i, j, f]
        for p, q, c in np.ndindex(*w.shape[:3]):
            dx[n, i + p, j + q, c] += dy[n, i, j, f] * w[p, q, c, f]
            dw[p, q, c, f] += dy[n, i, j, f] * x[n, i + p, j + q, c]
    return dx, dw, db


def conv_gradient_by_convolutions(dy, x, w):
    K = len(w)
    far = np.pad(dy, ((0, 0), (K - 1, K - 1), (K - 1, K - 1), (0, 0)))
    dx = conv_forward_by_views(far, w[::-1, ::-1].swapaxes(2, 3), 0)
    views = np.lib.stride_tricks.sliding_window_view(x, dy.shape[1:3], (1, 2))
    return [dx, np.einsum("npqcij,nijf->pqcf", views, dy), np.einsum("nijf->f", dy)]


def im2col_by_views(x, size, stride=1):
    views = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))[:, ::stride, ::stride]
    return np.moveaxis(views, 3, 5).reshape(-1, size * size * x.shape[3])


def im2col_by_loops(x, size, stride=1):
    N, H, W, _ = x.shape
    corners = [(i, j) for i in range(0, H - size + 1, stride) for j in range(0, W - size + 1, stride)]
    return np.array([x[n, i : i + size, j : j + size].ravel() for n in range(N) for i, j in corners])


def max_pool_gradient_by_search(dy, x, size, stride):
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(*dy.shape):
        best, place = -np.inf, None
        for row in range(i * stride, i * stride + size):
            for column in range(j * stride, j * stride + size):
                if x[n, row, column, c] > best:
                    best, place = x[n, row, column, c], (n, row, column, c)
        dx[place] += dy[n, i, j, c]
    return dx


def max_pool_gradient_by_the_tape(dy, x, size, stride):
    x = Tensor(x, requires_grad=True)
    ops.max_pool(x, size, stride=stride).backward(dy)
    return x.grad


def receptive_field_from_behind(layers):
    field = 1
    for size, stride in reversed(layers):
        field = (field - 1) * stride + size
    return field


def receptive_field_by_recursion(layers):
    if not layers:
        return np.int64(1)
    *below, (size, _) = layers
    return receptive_field_by_recursion(below) + (size - 1) * math.prod(stride for _, stride in below)


def deconvnet_relu_by_masks(g, x, rule):
    asked = {"gradient": x > 0, "deconvnet": g > 0, "guided": (x > 0) & (g > 0)}
    return g * asked[rule]


def deconvnet_relu_by_the_tape(g, x, rule):
    x = Tensor(x, requires_grad=True)
    with backward_rule(rule):
        ops.relu(x).backward(g)
    return x.grad


def pair_head_by_the_library(f, g, w, b):
    head = PairHead("l1", len(w))
    head.w, head.b = Tensor(w), Tensor(b)
    return head.probability(Tensor(f), Tensor(g))


def pair_head_by_rows(f, g, w, b):
    return [1 / (1 + math.exp(-sum(map(float, w * abs(one - other))) - b)) for one, other in zip(f, g, strict=True)]


def batch_hard_by_the_library(embeddings, labels):
    return mine_triplets(embeddings, labels, strategy="batch-hard")


def batch_hard_by_lists(embeddings, labels):
    def d(a, b):
        return sum((embeddings[a] - embeddings[b]) ** 2)

    triplets = []
    for a in range(len(labels)):
        positives = [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        if positives:
            triplets.append([a, max(positives, key=lambda p: d(a, p)), min(negatives, key=lambda n: d(a, n))])
    return triplets


# Kernels are files: what runs them reads their source.

KERNEL_OF_ONE_ADDER = """
from numba import cuda, float32


@cuda.jit
def content_kernel(a, b, partial):
    squares = cuda.shared.array(8, float32)
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i >= a.shape[0]:
        squares[cuda.threadIdx.x] = 0
    else:
        difference = a[i] - b[i]
        squares[cuda.threadIdx.x] = difference * difference
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        total = float32(0)
        for k in range(8):
            total += squares[k]
        partial[cuda.blockIdx.x] = total
"""

KERNEL_OF_NEIGHBOURS = """
from numba import cuda, float32

THREADS = 8


@cuda.jit
def content_kernel(a, b, partial):
    shared = cuda.shared.array(THREADS, float32)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    shared[t] = (b[i] - a[i]) ** 2 if i < len(b) else 0.0
    step = 1
    while step < THREADS:
        cuda.syncthreads()
        if t % (2 * step) == 0:
            shared[t] = shared[t] + shared[t + step]
        step *= 2
    if t == 0:
        partial[i // THREADS] = shared[t]
"""

KERNEL_OF_ATOMIC_SUMS = """
from numba import cuda, float32


@cuda.jit
def content_kernel(a, b, partial):
    total = cuda.shared.array(1, float32)
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        total[0] = 0
    cuda.syncthreads()
    if i < a.size:
        cuda.atomic.add(total, 0, (a[i] - b[i]) ** 2)
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        partial[cuda.blockIdx.x] = total[0]
"""


def chinese_whispers_by_a_matrix(distances, threshold, rounds):
    weights = np.where(distances <= threshold, 1 - distances / 2, 0)
    np.fill_diagonal(weights, 0)
    names = np.eye(len(distances))
    for _ in range(rounds):
        for i, heard in enumerate(weights):
            if heard.any():
                names[i] = np.eye(len(names))[(heard @ names).argmax()]
    return names.argmax(axis=1)


def chinese_whispers_by_dictionaries(distances, threshold, rounds):
    labels = list(range(len(distances)))
    for _ in range(rounds):
        for i, row in enumerate(distances):
            votes = {}
            for j, d in enumerate(row):
                if i != j and d <= threshold:
                    votes[labels[j]] = votes.get(labels[j], 0) + (1 - d / 2)
            if votes:
                labels[i] = min(votes, key=lambda name: (-votes[name], name))
    return labels


RIGHT = {
    "triplet_loss": (triplet_loss_by_rows, triplet_loss_by_products),
    "gram_matrix": (gram_matrix_by_matmul, gram_matrix_by_broadcasting),
    "compute_content_cost": (content_cost_by_mean, content_cost_unrolled),
    "compute_layer_style_cost": (layer_style_cost_by_ops, layer_style_cost_transposed_first),
    "verify": (verify_by_dot_products, verify_by_squares),
    "who_is_it": (who_is_it_by_a_loop, who_is_it_by_a_matrix),
    "compute_style_cost": (style_cost_by_the_library, style_cost_by_numbers),
    "total_cost": (total_cost_as_a_dot_product, total_cost_by_ops),
    "train_step": (train_step_in_place, train_step_by_a_closure),
    "conv_forward": (conv_forward_by_loops, conv_forward_by_views),
    "conv_gradient": (conv_gradient_by_loops, conv_gradient_by_convolutions),
    "im2col": (im2col_by_views, im2col_by_loops),
    "max_pool_gradient": (max_pool_gradient_by_search, max_pool_gradient_by_the_tape),
    "receptive_field": (receptive_field_from_behind, receptive_field_by_recursion),
    "deconvnet_relu": (deconvnet_relu_by_masks, deconvnet_relu_by_the_tape),
    "pair_head": (pair_head_by_the_library, pair_head_by_rows),
    "batch_hard": (batch_hard_by_the_library, batch_hard_by_lists),
    "chinese_whispers": (chinese_whispers_by_a_matrix, chinese_whispers_by_dictionaries),
    "guided_gram": (guided_gram_by_roots, guided_gram_by_places),
    "content_kernel": (KERNEL_OF_ONE_ADDER, KERNEL_OF_NEIGHBOURS, KERNEL_OF_ATOMIC_SUMS),
}
