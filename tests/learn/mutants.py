"""Wrong answers, as learners give them: {exercise: (what stands in the solution, what instead, the slip it is)}."""

# ruff: noqa: E501  (a row a mutant)

MUTANTS = {
    "triplet_loss": [
        ("return ops.sum(", "return ops.mean(", "mean"),
        (" + alpha", "", "no margin"),
        ("near - far", "far - near", "swapped"),
        ("A, P, N = y_pred", "A, N, P = y_pred", "swapped"),
        ("return ops.sum(ops.maximum(near - far + alpha, 0.0))", "return ops.relu((near - far + alpha).sum())", "hinge after the sum"),
        ("ops.maximum(near - far + alpha, 0.0)", "near - far + alpha", "no hinge"),
        ("near - far", "(near + 1e-30) ** 0.5 - (far + 1e-30) ** 0.5", "unsquared"),
    ],
    "gram_matrix": [
        ("A @ A.T", "A.T @ A", "places with places"),
        ("A @ A.T", "A * A", "elementwise"),
        ("A @ A.T", "A @ A.T * (1 / A.shape[-1])", "divided by places"),
        ("A @ A.T", "(A - ops.mean(A, axis=1, keepdims=True)) @ (A - ops.mean(A, axis=1, keepdims=True)).T", "centred"),
        ("A @ A.T", "ops.square(A).sum()", "summed"),
        ("A @ A.T", "ops.square(A).sum(axis=-1)", "diagonal only"),
    ],
    "compute_content_cost": [
        ("4 * H", "H", "no quarter"),
        (" / (4 * H * W * C)", " / 2", "Gatys"),
        (" / (4 * H * W * C)", "", "not divided"),
        (" * C)", ")", "no channels"),
        ("ops.square(content_output - generated_output)", "ops.abs(generated_output - content_output)", "absolute"),
        ("ops.sum(ops.square(content_output - generated_output))", "ops.sum(generated_output - content_output) ** 2", "square of the sum"),
    ],
    "compute_layer_style_cost": [
        ("features.reshape(H * W, C).T", "features.reshape(C, H * W)", "channels mixed"),
        ("unrolled @ unrolled.T", "unrolled.T @ unrolled", "places with places"),
        ("(H * W) ** 2", "(H * W)", "places not squared"),
        ("4 * C**2", "C**2", "no quarter"),
        ("4 * C**2", "4 * C", "channels not squared"),
        (" / (4 * C**2 * (H * W) ** 2)", "", "not divided"),
        ("gram(a_S) - gram(a_G)", "a_S - a_G", "features instead of Gram matrices"),
    ],
    "conv_forward": [
        ("tensordot(window, w,", "tensordot(window, w[::-1, ::-1],", "flipped"),
        (" + b", "", "no bias"),
        ("i * stride : i * stride + K, j * stride : j * stride + K", "i : i + K, j : j + K", "places without stride"),
        ("(padding, padding), (padding, padding)", "(0, 0), (0, 0)", "padding ignored"),
        ("(padding, padding), (padding, padding)", "(0, 2 * padding), (0, 2 * padding)", "padded after"),
        ("tensordot(window, w,", "tensordot(window, w.swapaxes(0, 1),", "turned"),
        ("K = len(w)", "K, stride = len(w), 1", "stride ignored"),
    ],
}  # fmt: skip
