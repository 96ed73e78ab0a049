"""Natural first attempts at the holes of the lessons: right ones, and wrong ones with the words that they are told.

Of a lesson, by the first function of each hole: (right attempts, [(wrong attempt, words)]). An attempt is the code of
the cell, or pairs of texts to replace in the solution.
"""

SLIDE = "return np.array([sum(signal[o + k] * taps[k] for k in range(len(taps))) for o in range(outputs)])"
OUTPUTS = "outputs = len(signal) - len(taps) + 1"
PRODUCT = "y[n, row, column, j] += x[n, row + kr, column + kc, c] * w[kr, kc, c, j]"
CONTENT = "ops.sum(ops.square(content - generated)) / (4 * H * W * C)"
LAYER = "ops.sum(ops.square(G_style - G_generated)) / (4 * C**2 * (H * W) ** 2)"
TRIPLET = "return ops.sum(ops.maximum(near - far + margin, 0.0))"
BACK = "return 2 * dy * active * (N - P), 2 * dy * active * (P - A), 2 * dy * active * (A - N)"
CORNERS = "corners = [(STRIDE * i, STRIDE * j) for i in range(rows) for j in range(columns)]"
PUT = "np.put_along_axis(d_windows, winner, dy[..., None], axis=-1)"
BY_COLUMNS = "corners = [(STRIDE * i, STRIDE * j) for j in range(columns) for i in range(rows)]"
SHARED = "shared = np.maximum(across, 0) * np.maximum(down, 0)"
MENDED = "w[::-1, ::-1]"

ATTEMPTS = {
    "01_tensors_and_the_tape": {
        "softsign": (
            [
                "@op\ndef softsign(x):\n    def backward(dy):\n        return dy * (1 + abs(x)) ** -2\n\n"
                "    return x / (1 + abs(x)), backward\n"
            ],
            [
                ([("return dy / size**2", "return 1 / size**2")], "of the final result it is dy times that"),
                ([("return dy / size**2", "return dy / size")], "a square below the line"),
                ([("return dy / size**2", "return dy")], "times the slope"),
                ([("np.abs(x)", "x")], "lost its bars"),
                ([("return x / size, backward", "return x / size")], "softsign"),
            ],
        ),
    },
    "02_convolution_four_ways": {
        "slide_over": (
            [
                "def slide_over(signal, taps):\n    response = []\n    for o in range(len(signal) - len(taps) + 1):\n"
                "        response.append((signal[o : o + len(taps)] * taps).sum())\n    return response\n"
            ],
            [
                ([("taps[k] for", "taps[-1 - k] for")], "You turned the filter around"),
                ([(OUTPUTS, "outputs = len(signal) - len(taps)")], "The last place is missing"),
                ([(SLIDE, 'return np.correlate(signal, taps, mode="same")')], "The filter hangs over the edge"),
                ([(SLIDE, "print(signal)")], "Does it return what it computes?"),
            ],
        ),
        "conv_loops": (
            [
                "def conv_loops(x, w):\n    height, width = w.shape[:2]\n    N, H, W, _ = x.shape\n"
                "    y = np.zeros((N, H - height + 1, W - width + 1, w.shape[3]))\n"
                "    for n, r, c, j in np.ndindex(*y.shape):\n"
                "        y[n, r, c, j] = (x[n, r : r + height, c : c + width] * w[..., j]).sum()\n    return y\n"
            ],
            [
                ([(PRODUCT, PRODUCT.replace("w[kr, kc,", "w[-1 - kr, -1 - kc,"))], "You turned the filters around"),
                ([(PRODUCT, PRODUCT.replace("+=", "="))], "Only the last product is left"),
                ([("H - height + 1, W - width + 1", "H - height, W - width")], "The last row and column are missing"),
                ([("range(C_in)", "range(1)")], "only the first counts"),
                ([("c, j]\n    return", "c, 0]\n    return")], "each j has filters of its own"),
                ([("row + kr, column + kc", "row, column")], "differs in"),
            ],
        ),
        "output_size": (
            [
                "def output_size(n, size, stride=1, dilation=1, before=0, after=0):\n"
                "    places = n + before + after - (dilation * (size - 1) + 1) + 1\n    return -(-places // stride)\n"
            ],
            [
                ([("(size - 1) * dilation + 1", "size")], "The holes are forgotten"),
                ([("// stride + 1", "// stride")], "One place is missing"),
                ([("//", "/")], "There are no half places"),
                ([("before + after", "before")], "There are zeros on both sides"),
                ([("(size - 1) * dilation + 1", "size * dilation")], "two gaps of 3, and the last tap"),
            ],
        ),
    },
    "03_style_transfer_by_hand": {
        "content_cost": (
            [
                "def content_cost(content, generated):\n    difference = content - generated\n"
                "    return ops.mean(difference * difference) * 0.25\n"
            ],
            [
                ([("(4 * H * W * C)", "(H * W * C)")], "The 4 below the line is missing"),
                ([(CONTENT, "ops.sum(ops.square(content - generated)) / 2")], "as Gatys wrote it"),
                ([("(4 * H * W * C)", "(4 * H * W)")], "the channels count, too"),
                ([("ops.square(", "ops.abs(")], "Square them first"),
                ([(CONTENT, "float(np.square(content.data - generated.data).sum() / (4 * H * W * C))")], "no Tensor"),
            ],
        ),
        "gram_matrix": (
            [
                "def gram_matrix(A):\n    return ops.matmul(A, A.T)\n\n\ndef one_row_a_channel(features):\n"
                "    return ops.transpose(ops.reshape(features, (-1, features.shape[-1])))\n"
            ],
            [
                ([("A @ A.T", "A.T @ A")], "places with places"),
                ([("A @ A.T", "A * A")], "A matrix product is @"),
                ([("reshape(H * W, C).T", "reshape(C, H * W)")], "mixes up the channels"),
                ([("reshape(H * W, C).T", "reshape(H * W, C)")], "Turn it"),
                ([("return A @ A.T", "A @ A.T")], "gives None"),
            ],
        ),
        "layer_style_cost": (
            [
                "def layer_style_cost(style_features, generated):\n"
                "    S, G = (gram_matrix(one_row_a_channel(x)) for x in (style_features, generated))\n"
                "    places = generated.shape[1] * generated.shape[2]\n"
                "    return ops.mean((S - G) ** 2) / (2 * places) ** 2\n"
            ],
            [
                ([("(H * W) ** 2", "(H * W)")], "divided by H·W once"),
                ([("C**2", "C")], "divided by C once"),
                ([("(4 * C**2", "(C**2")], "The 4 below the line is missing"),
                ([(LAYER, "ops.mean(ops.square(G_style - G_generated))")], "mean of the squares"),
                ([("one_row_a_channel(", "(lambda f: f.reshape(3, 16))(")], "stripes, not channels"),
                ([("one_row_a_channel(", "(lambda f: f.reshape(16, 3))(")], "places with places"),
            ],
        ),
        "style_cost": (
            [
                "def style_cost(style_features, generated, layers):\n    return sum(\n"
                ""
                "        weight * layer_style_cost(style_features[name], generated[name])\n"
                "        for name, weight in layers.items()\n"
                "    )\n\n\ndef total_cost(content, style, alpha=10, beta=40):\n"
                "    return content * alpha + style * beta\n"
            ],
            [
                ([("weight * layer", "layer")], "The weights are left out"),
                ([("total + weight", "weight")], "add up over all"),
                (
                    [("total = total + weight * layer_style_cost", "total = total + 0.5 * layer_style_cost")],
                    "mean over",
                ),
                ([("alpha * content + beta * style", "beta * content + alpha * style")], "The weights are swapped"),
                ([("alpha * content + beta * style", "10 * content + 40 * style")], "whatever was asked"),
            ],
        ),
        "as_stated": (
            [
                "def as_stated(G, epsilon, steps, beta=40):\n    costs, pictures = [], []\n    G = G.copy()\n"
                "    with frozen(network):\n        for _ in range(steps + 1):\n"
                "            x = Tensor(G, requires_grad=True)\n"
                "            j = J(x, beta)\n            j.backward()\n            costs.append(j.item())\n"
                "            pictures.append(G[0].copy())\n            G -= epsilon * x.grad\n"
                "    return costs, pictures\n"
            ],
            [
                ([("G.data - epsilon", "G.data + epsilon")], "It walked uphill"),
                ([("epsilon * G.grad", "G.grad")], "by the gradient alone"),
                ([("range(steps + 1)", "range(steps)")], "the number of costs and of pictures"),
                ([("G = G.data - epsilon * G.grad", "pass")], "It did not move"),
                (
                    [("G = G.data - epsilon * G.grad", "G = np.clip(G.data - epsilon * G.grad, 0, 1)")],
                    "It is clipped",
                ),
            ],
        ),
    },
    "06_triplets": {
        "triplet_loss": (
            [
                "def triplet_loss(anchor, positive, negative, margin=0.2):\n"
                "    near, far = ((anchor - other) ** 2 for other in (positive, negative))\n"
                "    return ops.relu(near.sum(axis=1) - far.sum(axis=1) + margin).sum()\n"
            ],
            [
                ([(TRIPLET, TRIPLET.replace("ops.sum(", "ops.mean("))], "That is the mean"),
                ([(TRIPLET, "return ops.maximum(ops.sum(near - far + margin), 0.0)")], "inside the sum"),
                ([(" + margin", "")], "The margin is missing"),
                ([("near - far", "far - near")], "swapped"),
                ([("near - far", "ops.sqrt(near) - ops.sqrt(far)")], "a root has crept in"),
                ([(TRIPLET, "return ops.sum(near - far + margin)")], "Nothing is cut off at zero"),
                ([(TRIPLET, "return ops.maximum(near - far + margin, 0.0)")], "add them up"),
            ],
        ),
        "my_triplet_loss": (
            [
                "@op\ndef my_triplet_loss(A, P, N, *, margin=0.2):\n"
                "    gap = ((A - P) ** 2).sum(1) - ((A - N) ** 2).sum(1) + margin\n    on = (gap > 0).astype(float)\n\n"
                "    def backward(dy):\n        d = dy * on.reshape(-1, 1)\n"
                "        dP, dN = d * (2 * P - 2 * A), d * (2 * A - 2 * N)\n"
                "        return -dP - dN, dP, dN\n\n    return (gap * on).sum(), backward\n"
            ],
            [
                ([(BACK, BACK.replace("(N - P)", "(A - P)"))], "A stands in both terms"),
                ([(BACK, BACK.replace("* active ", ""))], "not active pull as well"),
                ([(BACK, BACK.replace("* dy ", ""))], "dy is left out"),
                ([(BACK, BACK.replace("2 * dy", "dy"))], "The slope of a square has a 2"),
                ([(BACK, BACK.replace("(P - A)", "(A - P)"))], "The sign is wrong"),
            ],
        ),
    },
    "08_finding_faces": {
        "cut_out": (
            [
                "def cut_out(picture):\n    windows = []\n    for y in range(0, picture.shape[0] - 11, 2):\n"
                "        for x in range(0, picture.shape[1] - 11, 2):\n"
                "            windows.append(picture[y : y + 12, x : x + 12])\n    return np.array(windows)\n\n\n"
                "def asked_one_by_one(picture):\n    return detector.judge(cut_out(picture))\n\n\n"
                "def slid_over(picture):\n    return detector.judge(np.expand_dims(picture, 0))\n"
            ],
            [
                (
                    [
                        (
                            CORNERS,
                            CORNERS.replace(
                                "for i in range(rows) for j in range(columns)",
                                "for j in range(columns) for i in range(rows)",
                            ),
                        )
                    ],
                    "order of columns",
                ),
                ([("// STRIDE + 1", "+ 1"), (CORNERS, CORNERS.replace("STRIDE * ", ""))], "in steps of 1"),
                ([("// STRIDE + 1", "// STRIDE")], "The last row and column of windows are missing"),
                (
                    [("// STRIDE + 1", "// CELL + 1"), (CORNERS, CORNERS.replace("STRIDE", "CELL"))],
                    "The windows do not overlap",
                ),
                ([("picture[None]", "picture[None, :CELL, :CELL]")], "slid_over differs in 2 of 3 numbers"),
            ],
        ),
        "overlap": (
            [
                "def overlap(a, b):\n"
                "    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])\n"
                "    shared = np.prod(np.clip(high - low, 0, None), axis=-1)\n"
                "    both = sum(np.prod(box[..., 2:] - box[..., :2], axis=-1) for box in (a, b))\n"
                "    return shared / (both - shared)\n"
            ],
            [
                ([(SHARED, "shared = across * down")], "share nothing"),
                ([("area_b - shared)", "area_b)")], "counted twice"),
                ([("return shared / (area_a + area_b - shared)", "return shared")], "in pixels"),
                ([("(area_a + area_b - shared)", "area_a")], "in parts of the first box"),
                ([("(area_a + area_b - shared)", "np.minimum(area_a, area_b)")], "the smaller box"),
            ],
        ),
    },
    "12_pooling": {
        "pool_row": (
            ["def pool_row(row):\n    return np.maximum(row[::2], row[1::2])\n"],
            [
                ([("row.reshape(-1, 2).max(axis=1)", "np.maximum(row[:-1], row[1:])")], "The windows overlap"),
                ([("row.reshape(-1, 2).max(axis=1)", "row[::2]")], "every second number"),
                ([(".max(", ".mean(")], "That is the mean"),
                ([("reshape(-1, 2).max(axis=1)", "reshape(2, -1).max(axis=0)")], "no neighbours"),
                ([("axis=1", "axis=0")], "along the pair"),
            ],
        ),
        "my_max_pool": (
            [
                "@op\ndef my_max_pool(x):\n    corners = [x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]\n"
                "    y = np.max(corners, axis=0)\n\n    def backward(dy):\n"
                "        dx, free = np.zeros_like(x), np.ones(y.shape, bool)\n"
                "        for i in (0, 1):\n            for j in (0, 1):\n"
                "                won = free & (x[:, i::2, j::2] == y)\n"
                "                dx[:, i::2, j::2] = dy * won\n                free &= ~won\n"
                "        return dx\n\n    return y, backward\n"
            ],
            [
                (
                    [(PUT, "d_windows += dy[..., None]")],
                    "Each pixel of a window gets all",
                ),
                (
                    [
                        (
                            PUT,
                            "d_windows += dy[..., None] / 4",
                        )
                    ],
                    "as with the mean",
                ),
                ([("dy[..., None], axis=-1)", "1.0, axis=-1)")], "dy is left out"),
                (
                    [("dy[..., None], axis=-1)", "dy[..., None] * windows.max(-1, keepdims=True), axis=-1)")],
                    "dy times the pixel",
                ),
                (
                    [("np.take_along_axis(windows, winner, axis=-1)[..., 0]", "windows.mean(axis=-1)")],
                    "the mean of each window",
                ),
                ([("C, 2, 2).transpose(0, 1, 4, 2, 5, 3)", "2, 2, C)")], "the gradient to x differs in"),
            ],
        ),
    },
    "16_convnets_on_volumes": {
        "through_the_box": (
            [
                "def through_the_box(x, w, b):\n"
                "    sizes = [n - k + 1 for n, k in zip(x.shape, w.shape, strict=False)]\n"
                "    y = np.zeros((*sizes, w.shape[3]))\n    for d, r, c in np.ndindex(*sizes):\n"
                "        box = x[d : d + w.shape[0], r : r + w.shape[1], c : c + w.shape[2]]\n"
                "        y[d, r, c] = np.tensordot(box, w, 3) + b\n    return y\n"
            ],
            [
                ([(" + b", "")], "The bias is missing"),
                ([("windows, w)", "windows, w[::-1, ::-1, ::-1])")], "The filter is turned around"),
                ([("windows, w)", "windows[:-1, :-1, :-1], w)")], "The last place of each dimension"),
                (
                    [("return np", "y = np"), (" + b", " + b\n    return y.sum(axis=-1)")],
                    "each has a channel of its own",
                ),
                ([("windows, w)", "windows[:, :, :, :1], w[:1])")], "its first slice alone"),
            ],
        ),
    },
    "17_gradient_checking": {
        "my_conv_mended": (
            [
                "@op\ndef my_conv_mended(x, w):\n    def backward(dy):\n        dx = np.zeros_like(x)\n"
                "        for i, j in np.ndindex(w.shape):\n"
                "            dx[i : i + dy.shape[0], j : j + dy.shape[1]] += dy * w[i, j]\n"
                "        return dx, slide(x, dy)\n\n    return slide(x, w), backward\n"
            ],
            [
                ([(MENDED, "w")], "It is still the kernel as it was"),
                ([(MENDED, "w[::-1]")], "along one axis only"),
                ([(MENDED, "w[:, ::-1]")], "mirrored left to right only"),
                ([(MENDED, "w.T")], "It is transposed"),
                ([("np.pad(dy,", "np.pad(dy[::-1, ::-1],")], "turn one of them"),
                ([("return dx, slide(x, dy)", "return dx, slide(x, dy)[::-1, ::-1]")], "The gradient to w was right"),
            ],
        ),
    },
    "21_registers": {
        "needed": (
            [
                "def needed(rows, lines):\n    return (rows + 1) * lines + 1\n\n\ndef products_per_load(rows, lines):\n"
                "    return rows * lines / (rows + lines)\n\n\ndef most_rows(registers, lines):\n"
                "    return (registers - 1) // lines - 1\n"
            ],
            [
                ([("rows * lines + lines + 1", "rows * lines + lines")], "The number of a needs a register"),
                ([("rows * lines + lines + 1", "rows * lines + 1")], "The vectors of b need registers"),
                ([("lines + 1", "lines + rows")], "one register, not one for each row"),
                ([("return rows * lines / (rows + lines)", "return (rows + lines) / (rows * lines)")], "turn it over"),
                ([("<= registers", "< registers")], "One more fits"),
            ],
        ),
    },
    "22_a_cuda_kernel_step_by_step": {
        "look_back": (
            [
                "@cuda.jit\ndef look_back(x, w, y):\n    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x\n"
                "    if i < y.size:\n        y[i] = 0.0\n        for k in range(min(i + 1, w.size)):\n"
                "            y[i] += w[k] * x[i - k]\n"
            ],
            [
                (
                    [("if i - k >= 0:", "if i + k < x.size:"), ("x[i - k]", "x[i + k]")],
                    "It looks forward",
                ),
                ([("if i - k >= 0:", "if True:")], "seen by its beginning"),
                ([("total +=", "total =")], "look_back"),
                ([("if i - k >= 0:", "if i >= 2:")], "The first outputs are left out"),
                ([("cuda.grid(1)", "cuda.threadIdx.x")], "look_back"),
            ],
        ),
    },
}
