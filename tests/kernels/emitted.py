"""Print, as JSON, the LLVM of every emitter of the micro-kernel as it comes from Numba, before LLVM optimizes it.

`python emitted.py 1` for a processor with AVX-512, `python emitted.py 0` for one without, whatever this one has. With
each the number of fused multiply-adds that a turn of its innermost loop takes, in lines of 64 bytes.
"""

import json
import os
import sys

os.environ["NUMBA_OPT"] = "0"

import llvmlite.binding as llvm
from numba import njit, types

features = llvm.get_host_cpu_features
llvm.get_host_cpu_features = lambda: {"avx512f": sys.argv[1] == "1"}
from minicnn.fast.cpu import micro_kernel  # noqa: E402  (which asks the processor)
from minicnn.fast.cpu.winograd import A_T, B_T  # noqa: E402

llvm.get_host_cpu_features = features


def kinds(number):
    """Return {name: (emitter, its fused multiply-adds, the types of its arguments)}."""
    a, places, i = types.Array(number, 1, "C"), types.Array(types.intp, 1, "C"), types.intp
    two, three, flag = types.UniTuple(i, 2), types.UniTuple(i, 3), types.boolean
    gathered = (a, two, places, places, i, a, three, a, i, a, two, places, flag)
    rows, few, lines = micro_kernel.ROWS, micro_kernel.FEW, micro_kernel.LINES
    product = (a, three, a, two, a, two, i, flag)
    found = {
        "row_product": (micro_kernel.row_product(rows), rows * lines, product),
        "row_product, few": (micro_kernel.row_product(few), few * lines, product),
        "row_product, rest": (micro_kernel.row_product(rows // 3), rows // 3 * lines, product),
        "gathered_product": (micro_kernel.gathered_product(rows), rows * lines, gathered),
        "gathered_product, few": (micro_kernel.gathered_product(few), few * lines, gathered),
        "gathered_product_upon": (micro_kernel.gathered_product_upon(rows), rows * lines, (*gathered, places)),
        "gathered_sum": (micro_kernel.gathered_sum(few), few * lines, (a, two, places, a, two, a, two, i, flag)),
        "weighted_sum": (micro_kernel.weighted_sum(3), 0, (a, three, types.UniTuple(number, 3), a, i, i)),
        "gathered_largest": (micro_kernel.gathered_largest(), 0, (a, i, places, a, i, i)),
        "square_transposition": (micro_kernel.square_transposition(), 0, (a, i, i, a, i, i)),
    }
    for name, matrix in {"B_T": B_T, "A_T": A_T, "A": A_T.T, "copy": [[1]], "quarter": [[0.25]]}.items():
        arguments = a, types.UniTuple(i, len(matrix[0])), a, i, i, i
        found[f"line_transform, {name}"] = micro_kernel.line_transform(matrix), 0, arguments
    return found


def emitted(emitter, arguments):
    names = ", ".join(f"a{i}" for i in range(len(arguments)))
    space = {"emitter": emitter}
    exec(f"def kernel({names}): emitter({names})", space)
    kernel = njit(space["kernel"])
    kernel.compile(arguments)
    return next(iter(kernel.inspect_llvm().values()))


if __name__ == "__main__":
    print(
        json.dumps(
            {
                f"{name}, {number}": (emitted(emitter, arguments), products)
                for number in (types.float32, types.float64)
                for name, (emitter, products, arguments) in kinds(number).items()
            }
        )
    )
