"""Every compiled kernel against its definition, on arrays so large that each of its loops takes more than one block,
slot, panel and piece. On small arrays a kernel takes the first of these steps alone, and is right without the others.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import fast
from minicnn.backend import _check_form, kernels_for, use_backend
from minicnn.fast.cpu import program
from minicnn.fast.cpu.compilation import compiled_kernels
from minicnn.fast.cpu.program import compiled as compiled_program
from minicnn.fast.cpu.program import definition as defined_program
from minicnn.fast.cpu.winograd import compiled as winograd
from minicnn.fast.cpu.winograd import definition as defined_winograd
from minicnn.kernels import contracts
from minicnn.kernels.geometry import slide

ELSEWHERE = {"empty", "raster_fill", "raster_sample"}  # test_memory.py, test_synthetic_faces.py


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def window(x, size, **options):
    return slide("kernel", x.shape[1:-1], size, **options)


def convolutions():
    """Outputs in more than one block of SUMMED, and in more than one slot; several panels, of which one hangs over."""
    for shape, outputs, groups, options in (
        ((2, 17, 18, 4), 8, 1, {}),
        ((2, 25, 26, 8), 40, 2, {}),
        ((2, 50, 49, 4), 37, 1, {"padding": 1}),
        ((1, 61, 45, 20), 20, 1, {"stride": 2}),
        ((1, 700, 3), 37, 1, {"dilation": 2}),
    ):
        x = normal(*shape)
        w = normal(*[3] * (len(shape) - 2), shape[-1] // groups, outputs, seed=1)
        here = window(x, w.shape[:-2], **options)
        dy = normal(len(x), *here.output, outputs, seed=2)
        yield "conv", x, w, normal(outputs, seed=3), here, groups
        yield "conv_gradient_to_input", dy, w, x.shape[1:-1], here, groups
        yield "conv_gradient_to_filters", dy, x, here, groups


def fused():
    x, w, b = normal(2, 30, 28, 16), normal(3, 3, 16, 48, seed=1), normal(48, seed=2)
    here, dy = window(x, (3, 3), padding=1), normal(2, 15, 14, 48, seed=3)
    marks = np.random.default_rng(4).integers(0, 256, (2, 30, 28, 6), np.uint8)
    yield "fused_conv", x, w, b, here, 1, True, True, True
    yield "before_relu", dy, marks, here, True
    yield "fused_conv_gradient_to_input", dy, marks, w, (30, 28), here, 1, True
    yield "fused_conv_gradient_to_filters", normal(2, 30, 28, 48), x, here, 1


def pools():
    for shape, size, options in (
        ((2, 40, 41, 5), (3, 3), {"stride": 2, "padding": 1}),
        ((2, 50, 48, 5), (2, 2), {"stride": 2}),
        ((1, 900, 3), (3,), {"stride": 1, "padding": 1}),
        ((1, 9, 20, 21, 2), (2, 3, 2), {"stride": (2, 3, 3)}),
    ):
        x = normal(*shape)
        here = window(x, size, **options)
        dy = normal(len(x), *here.output, x.shape[-1], seed=1)
        with use_backend("numpy"):
            _, switches = kernels_for(x).max_pool(x, here)
        yield "max_pool", x, here
        yield "max_pool_gradient", dy, switches, x.shape[1:-1], here
        for counted in (False, True):
            yield "avg_pool", x, here, counted
            yield "avg_pool_gradient", dy, x.shape[1:-1], here, counted


def elementwise():
    many, other = normal(600_001), normal(600_001, seed=1)
    rows = normal(3000, 37)
    yield "relu", many
    yield "relu_gradient", many, other
    yield "sloped", rows, normal(37, seed=1)
    yield "relu_marks", rows
    yield "marked_gradient", rows, np.random.default_rng(2).integers(0, 256, (3000, 5), np.uint8)
    yield "add", many, other, None
    yield "add", many, other, normal(600_001, seed=2)
    for relu in (False, True):
        yield "residual", many, other, 0.3, relu
    for v in (None, normal(600_001, seed=2)):
        yield "sgd_step", many, other, v, 0.1, 0.9, 0.01, False
    yield "sgd_step", many, other, normal(600_001, seed=2), 0.1, 0.9, 0.01, True
    yield "adam_step", many, other, normal(600_001, seed=2), other**2, 0.1, 1e-8, 0.9, 0.999, -1.0, 1.5


def normalization():
    for shape in ((5000, 24), (90, 1100), (70_001, 3)):
        x, dy, channels = normal(*shape), normal(*shape, seed=1), [normal(shape[1], seed=i) for i in range(2, 7)]
        mean, scale, beta, mean_dy, slope = channels
        yield "batch_statistics", x
        for relu in (False, True):
            yield "batch_normalize", x, mean, scale, beta, relu
            yield "batch_sums", dy, x, mean, scale, beta, relu
            yield "batch_gradient", dy, x, mean, scale, beta, relu, mean_dy, slope
    x = normal(300, 20)
    for beta in (0.75, 0.6):
        yield "local_response_norm", x, (2, 1), 0.3, beta, 1.5
        yield "local_response_norm_gradient", normal(300, 20, seed=1), x, (2, 1), 0.3, beta, 1.5


def products():
    yield "product", normal(3000, 64), normal(64, 50, seed=1)
    yield "product", normal(50, 64), normal(64, 3000, seed=1)
    yield "sum_of_rows", normal(70_001, 5)
    yield "sum_of_rows", normal(90, 4001)
    for positions, channels in ((5, 64), (129, 16), (300, 32), (613, 64), (1100, 20)):
        features, dgram = normal(2, positions, channels), normal(2, channels, channels, seed=1)
        yield "gram", features
        yield "gram_gradient", dgram, features, None
        yield "gram_gradient", dgram, features, normal(2, positions, channels, seed=2)


def others():
    x = normal(300, 16)
    labels, d = np.arange(300) % 40, np.square(x[:, None] - x).sum(axis=-1)
    yield "distances", x, True
    yield "distances", x, False
    yield "hardest", d, labels
    yield "triplets", d, labels, -1.0, 2.0
    yield "pull", normal(300, 300, seed=1), x
    corners = np.array([[1.5, 2.5, 50.0, 61.5], [-5.0, -3.0, 70.0, 30.0], [20.0, 20.0, 29.0, 29.0]])
    yield "crop", normal(64, 64, 3).astype(np.float32), corners, 30, 20
    x, w = normal(4, 24, 25, 16), normal(22, 23, 3, 3, 16, 4, seed=1)
    here = window(x, (3, 3))
    dy = normal(4, 22, 23, 4, seed=2)
    yield "locally_connected", x, w, here
    yield "locally_connected_gradient_to_input", dy, w, (24, 25), here
    yield "locally_connected_gradient_to_filters", dy, x, here


CASES = [case for kind in (convolutions, fused, pools, elementwise, normalization, products, others) for case in kind()]
NAMES = [case[0] for case in CASES]


def results(backend, name, arguments, dtype):
    """Return what a kernel gives, and what it makes of its arguments."""
    with use_backend(backend):
        given = [
            a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype == np.float64 else a for a in arguments
        ]  # copies
        found = getattr(kernels_for(np.empty(0, dtype)), name)(*given)
    found = found if isinstance(found, tuple | list) else (found,)
    return [a for a in (*found, *given) if isinstance(a, np.ndarray)]


def assert_same(found, expected, tolerance):
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        if mine.dtype.kind == "f":
            allowed = tolerance if mine.dtype == np.float64 else max(tolerance, 1e-5)
            assert np.abs(mine - theirs).max() <= allowed * np.abs(theirs).max()
        else:
            assert_array_equal(mine, theirs)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{name}-{i}" for i, name in enumerate(NAMES)])
def test_a_compiled_kernel_equals_its_definition(number):
    name, *arguments = CASES[number]
    assert_same(*(results(which, name, arguments, np.float64) for which in ("numba", "numpy")), 1e-10)
    if name.startswith(("conv", "gram")):  # a panel of float32 is twice as wide
        assert_same(*(results(which, name, arguments, np.float32) for which in ("numba", "numpy")), 1e-5)


IN_PLACE = [case for case in elementwise() if case[0] in ("add", "sgd_step", "adam_step")]


@pytest.mark.parametrize("number", range(len(IN_PLACE)), ids=[f"{case[0]}-{i}" for i, case in enumerate(IN_PLACE)])
def test_what_is_written_in_place_may_have_another_order_in_memory(number):
    name, *arguments = IN_PLACE[number]
    turned = [a[:600_000].reshape(600, 1000).T if isinstance(a, np.ndarray) else a for a in arguments]
    assert_same(*(results(which, name, turned, np.float64) for which in ("numba", "numpy")), 1e-12)


@pytest.mark.parametrize(
    ("name", "which"),
    [("adam_step", 0), ("adam_step", 2), ("adam_step", 3), ("sgd_step", 0), ("sgd_step", 2), ("add", 2)],
)
def test_a_single_array_may_have_another_order_in_memory(name, which):
    _, *arguments = next(case for case in IN_PLACE if case[0] == name and isinstance(case[3], np.ndarray))
    mixed = [a[:600_000].reshape(600, 1000) if isinstance(a, np.ndarray) else a for a in arguments]
    mixed[which] = np.asfortranarray(mixed[which])
    assert_same(*(results(backend, name, mixed, np.float64) for backend in ("numba", "numpy")), 1e-12)


def naive():
    x, w = normal(1, 5, 7, 4), normal(3, 2, 2, 6, seed=1)
    here = window(x, (3, 2))
    dy = normal(1, *here.output, 6, seed=2)
    yield "naive_conv", x, w, None, here, 2
    yield "naive_conv_gradient_to_input", dy, w, (5, 7), here, 2
    yield "naive_conv_gradient_to_filters", dy, x, here, 2


@pytest.mark.parametrize("case", [*CASES, *naive()], ids=lambda case: case[0])
def test_a_definition_returns_what_its_contract_says(case):
    name, *arguments = case
    found = results("numpy", name, arguments, np.float64)
    if contracts[name].result is not None:
        forms = contracts[name].result(*arguments)
        for array, form in zip(found, forms if isinstance(forms, list) else [forms], strict=False):
            _check_form(name, array, form)


def test_every_compiled_kernel_has_a_case():
    assert {*NAMES} == {name for names in fast.CPU.values() for name in names} - ELSEWHERE


def test_every_compiled_kernel_lets_other_threads_run_and_is_kept_on_disk():
    kernels = list(compiled_kernels())
    assert {k.py_func.__module__ for k in kernels} >= {f"minicnn.fast.cpu.{name}" for name in ("conv", "raster")}
    assert [k.py_func.__qualname__ for k in kernels if not (k.targetoptions.get("nogil") and k.stats.cache_path)] == []


@pytest.mark.parametrize("frozen", [False, True])
def test_winograd_takes_block_after_block_of_tiles(frozen, monkeypatch):
    monkeypatch.setattr(winograd, "SHARED", 1 << 20)
    x, w, b = normal(1, 29, 30, 192), normal(3, 3, 192, 256, seed=1), normal(256, seed=2)
    dy = normal(1, 29, 30, 256, seed=3)
    w.flags.writeable = not frozen  # then the transformed filters are remembered
    for name, arguments in (
        ("forward", (x, w, b, (1, 1), (29, 30))),
        ("gradient_to_input", (dy, w, (1, 1), (29, 30))),
        ("gradient_to_filters", (dy, x, (1, 1))),
    ):
        found, expected = (getattr(module, name)(*arguments) for module in (winograd, defined_winograd))
        assert_same([found], [expected], 1e-10)


@pytest.mark.parametrize("outputs", [37, 64])
@pytest.mark.parametrize("added", [-1, 60_000])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_step_of_a_program_takes_block_after_block_of_outputs(outputs, added, parts):
    """3×3 windows on two pictures of 14 × 19 pixels of 5 channels: 408 outputs, more than two blocks of them."""
    height, width, channels = 12, 17, 5
    line, target_line = (width + 2) * channels, width * outputs + 3
    fields = dict.fromkeys(program.FIELDS, 0) | {"kind": program.CONVOLVE, "rows": 1, "parts": parts, "relu": 1}
    fields |= {"images": 2, "height": height, "width": width, "outputs": outputs, "depth": channels}
    fields |= {"source_image": (height + 2) * line, "source_line": line, "source_column": channels}
    fields |= {"target": 5000, "target_image": height * target_line, "target_line": target_line}
    fields |= {"target_column": outputs, "down": 3, "down_step": line, "across": 3, "across_step": channels}
    fields |= {"added": added, "added_image": 11, "added_line": 7, "added_column": outputs}
    found = []
    for module in (compiled_program, defined_program):
        panels = program.pack(normal(3, 3, channels, outputs).astype(np.float32), module.width(np.float32))
        bias = normal(panels.shape[0] * panels.shape[2], seed=1).astype(np.float32)
        numbers = np.concatenate([panels.reshape(-1), bias])
        fields["bias"] = panels.size
        arena = normal(100_000, seed=2).astype(np.float32)
        module.run(np.array([tuple(fields[name] for name in program.FIELDS)], program.STEP), numbers, arena)
        found.append(arena)
    assert_same(found[:1], found[1:], 1e-6)
