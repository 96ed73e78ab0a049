"""The innermost loops, with explicit registers. One multiplies a few rows by a panel of columns, with every sum in a
register. Others apply linear transforms, one cache line at a time, or transpose squares as wide as a line.

A matrix product is fast only if its sums stay in registers, which neither NumPy nor Numba can express. A loop over one
array stores its sums at each iteration, and a loop over twelve arrays may not vectorize because they might overlap. So
these few instructions are emitted directly as LLVM IR; LLVM then allocates the registers of the processor. A general
BLAS first packs both factors. Here they are packed from the start, so this is faster than BLAS for such blocks.
Source: Goto & Van de Geijn 2008, "Anatomy of high-performance matrix multiplication", for the shape of the product.

Numba's disk cache does not notice an edit of this file. So every file that compiles these loops contains its digest,
which a test of the house rules checks. Updating the digest is an edit that the cache notices.
"""

import contextlib
import functools
import itertools

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LINE = 64  # bytes per cache line
WIDE = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
# 12 × 2 lines of sums and their factors fill 32 registers of 64 bytes; 6 × 1 lines fill 16 of 32 bytes, or 32 of 16.
# tests/kernels/test_assembly.py checks that none of them is spilled.
ROWS = 12 if WIDE else 6
FEW = 8 if WIDE else 4  # rows of the smaller products
LINES = 2 if WIDE else 1
REGISTER = LINE if WIDE else LINE // 2  # bytes per step of a transform, of six inputs and six outputs


def columns(itemsize):
    """Return the width of a panel for numbers of this size."""
    return LINES * LINE // itemsize


def row_product(rows):
    """Return multiply(a, (first, row, step), b, (first, step), c, (first, row), depth, add).

    It computes c[i, j] = Σ_k a[i, k] b[k, j], or adds it if `add`. Here i runs over `rows` rows, j over the columns of
    a panel, and k over range(depth). Arrays are flat: a[i, k] is a[first + i · row + k · step], and b[k, j] is
    b[first + k · step + j]. Likewise, c[i, j] is c[first + i · row + j]. Indices are not checked.
    """

    @intrinsic
    def multiply(typing, a, a_place, b, b_place, c, c_place, depth, add):
        def emit(context, builder, signature, arguments):
            emitter = _Emitter(context, builder, signature, arguments)
            a, a_place, b, b_place, c, c_place, depth, add = emitter.arguments
            a_first, a_row, a_step = cgutils.unpack_tuple(builder, a_place)
            b_first, b_step = cgutils.unpack_tuple(builder, b_place)
            c_first, c_row = cgutils.unpack_tuple(builder, c_place)
            targets = [emitter.at(c, c_first, builder.mul(c_row, emitter.index(i))) for i in range(rows)]
            factors = [emitter.at(a, a_first, builder.mul(a_row, emitter.index(i))) for i in range(rows)]
            sums = emitter.sums(rows)
            with emitter.loop(depth) as k:
                panel = emitter.at(b, b_first, builder.mul(k, b_step))
                here = builder.mul(k, a_step)
                emitter.add_products([builder.gep(factor, [here]) for factor in factors], panel, sums)
            with builder.if_then(cgutils.is_true(builder, add)):  # at the end, for a smaller rounding error
                emitter.add_to_sums(sums, targets)
            emitter.store_sums(sums, targets)
            return context.get_dummy_value()

        size, pair, triple = types.intp, types.UniTuple(types.intp, 2), types.UniTuple(types.intp, 3)
        return types.void(a, triple, b, pair, c, pair, size, types.boolean), emit

    return multiply


def gathered_product(rows):
    """Return multiply(a, (first, at), starts, runs, depth, b, (first, ahead, pace), bias, first, c, (first, to), …).

    The last arguments are places and relu. It computes c[i, j] = bias[j] + Σ_r Σ_k a[i, r, k] b[r · depth + k, j],
    clamped at zero if `relu`. The index i runs over `rows` rows, j over the columns of a panel, r over the runs, and k
    over range(depth). Arrays are flat: a[i, r, k] is a[first + starts[at + i] + runs[r] + k], and c[i, j] is
    c[first + places[to + i] + j]. Both b and bias begin at `first`. Indices are not checked. Each row of b also
    prefetches `pace` numbers, `ahead` numbers further on; no address is invalid.
    """

    @intrinsic
    def multiply(typing, a, a_place, starts, runs, depth, b, b_place, bias, bias_first, c, c_place, places, relu):
        size, pair, triple = types.intp, types.UniTuple(types.intp, 2), types.UniTuple(types.intp, 3)
        kinds = a, pair, starts, runs, size, b, triple, bias, size, c, pair, places, types.boolean
        return types.void(*kinds), functools.partial(_emit_gathered_product, rows)

    return multiply


def gathered_product_upon(rows):
    """Return multiply(…, relu, past), which also adds c[first + past[to + i] + j]."""

    @intrinsic
    def multiply(typing, a, a_place, starts, runs, depth, b, b_place, bias, bias_first, c, c_place, places, relu, past):
        size, pair, triple = types.intp, types.UniTuple(types.intp, 2), types.UniTuple(types.intp, 3)
        kinds = a, pair, starts, runs, size, b, triple, bias, size, c, pair, places, types.boolean, past
        return types.void(*kinds), functools.partial(_emit_gathered_product, rows)

    return multiply


def _emit_gathered_product(rows, context, builder, signature, arguments):
    emitter = _Emitter(context, builder, signature, arguments)
    a, a_place, starts, runs, depth, b, b_place, bias, bias_first, c, c_place, places, relu, *upon = emitter.arguments
    a_first, at = cgutils.unpack_tuple(builder, a_place)
    b_first, ahead, pace = cgutils.unpack_tuple(builder, b_place)
    c_first, to = cgutils.unpack_tuple(builder, c_place)
    heads = [emitter.at(a, a_first, emitter.entry(starts, at, i)) for i in range(rows)]
    targets = [emitter.at(c, c_first, emitter.entry(places, to, i)) for i in range(rows)]
    bias = emitter.at(bias, bias_first, emitter.index(0))
    biases = [emitter.load(bias, j * emitter.width) for j in range(LINES)]
    sums = emitter.sums(rows)
    for i, totals in enumerate(sums):
        for j, total in enumerate(totals):
            line = biases[j]
            if upon:
                below = emitter.at(c, c_first, emitter.entry(upon[0], to, i))
                line = builder.fadd(line, emitter.load(below, j * emitter.width))
            builder.store(line, total)
    length = builder.mul(depth, emitter.index(LINES * emitter.width))
    panel = emitter.at(b, b_first, emitter.index(0))
    count = context.make_array(signature.args[3])(context, builder, arguments[3]).nitems
    with emitter.loop(count) as run:
        offset = emitter.entry(runs, run, 0)
        factors = [builder.gep(head, [offset]) for head in heads]
        part = builder.gep(panel, [builder.mul(run, length)])
        later = builder.gep(panel, [builder.add(ahead, builder.mul(builder.mul(run, depth), pace))])
        with emitter.loop(depth) as k:
            row = builder.gep(part, [builder.mul(k, emitter.index(LINES * emitter.width))])
            emitter.fetch(builder.gep(later, [builder.mul(k, pace)]))
            emitter.add_products([builder.gep(factor, [k]) for factor in factors], row, sums)
    with builder.if_then(cgutils.is_true(builder, relu)):
        for total in itertools.chain(*sums):
            builder.store(emitter.rectified(builder.load(total)), total)
    emitter.store_sums(sums, targets)
    return context.get_dummy_value()


def gathered_sum(rows):
    """Return multiply(a, (first, at), starts, b, (first, step), c, (first, row), depth, add).

    It computes c[i, j] = Σ_k a[k, i] b[k, j], or adds it if `add`. Here i runs over `rows` rows, j over the columns of
    a panel, and k over range(depth). Arrays are flat: a[k, i] is a[first + starts[at + k] + i], and b[k, j] is
    b[first + k · step + j]. Likewise, c[i, j] is c[first + i · row + j]. Indices are not checked.
    """

    @intrinsic
    def multiply(typing, a, a_place, starts, b, b_place, c, c_place, depth, add):
        def emit(context, builder, signature, arguments):
            emitter = _Emitter(context, builder, signature, arguments)
            a, a_place, starts, b, b_place, c, c_place, depth, add = emitter.arguments
            a_first, at = cgutils.unpack_tuple(builder, a_place)
            b_first, b_step = cgutils.unpack_tuple(builder, b_place)
            c_first, c_row = cgutils.unpack_tuple(builder, c_place)
            targets = [emitter.at(c, c_first, builder.mul(c_row, emitter.index(i))) for i in range(rows)]
            sums = emitter.sums(rows)
            with builder.if_then(cgutils.is_true(builder, add)):
                emitter.load_sums(sums, targets)
            with emitter.loop(depth) as k:
                row = emitter.at(b, b_first, builder.mul(k, b_step))
                factor = emitter.at(a, a_first, emitter.entry(starts, builder.add(at, k), 0))
                emitter.add_products([builder.gep(factor, [emitter.index(i)]) for i in range(rows)], row, sums)
            emitter.store_sums(sums, targets)
            return context.get_dummy_value()

        size, pair = types.intp, types.UniTuple(types.intp, 2)
        return types.void(a, pair, starts, b, pair, c, pair, size, types.boolean), emit

    return multiply


def line_transform(matrix):
    """Return transform(source, starts, target, first, step, count).

    It computes target[first + k · step + i] = Σ_l matrix[k, l] source[starts[l] + i] for i in range(count), a multiple
    of a line. source and target are flat and must not overlap.
    """
    matrix = [[float(number) for number in row] for row in matrix]

    @intrinsic
    def transform(typing, source, starts, target, first, step, count):
        size = types.intp

        def emit(context, builder, signature, arguments):
            emitter = _Emitter(context, builder, signature, arguments, REGISTER)
            source, starts, target, first, step, count = emitter.arguments
            sources = [builder.gep(source, [start]) for start in cgutils.unpack_tuple(builder, starts)]
            targets = [emitter.at(target, first, builder.mul(step, emitter.index(k))) for k in range(len(matrix))]
            width = emitter.index(emitter.width)
            with emitter.loop(builder.sdiv(count, width)) as k:
                here = builder.mul(k, width)
                lines = [emitter.load(builder.gep(pointer, [here])) for pointer in sources]
                for line, pointer in zip(_times(emitter, matrix, lines), targets, strict=True):
                    emitter.store(line, builder.gep(pointer, [here]))
            return context.get_dummy_value()

        return types.void(source, types.UniTuple(size, len(matrix[0])), target, size, size, size), emit

    return transform


def weighted_sum(terms):
    """Return weigh(source, starts, weights, target, first, count).

    It computes target[first + i] = Σ_l weights[l] source[starts[l] + i] for l in range(terms) and i in range(count), a
    multiple of a line. source and target are flat and must not overlap.
    """

    @intrinsic
    def weigh(typing, source, starts, weights, target, first, count):
        size = types.intp

        def emit(context, builder, signature, arguments):
            emitter = _Emitter(context, builder, signature, arguments, REGISTER)
            source, starts, weights, target, first, count = emitter.arguments
            sources = [builder.gep(source, [start]) for start in cgutils.unpack_tuple(builder, starts)]
            factors = [emitter.everywhere(weight) for weight in cgutils.unpack_tuple(builder, weights)]
            target = builder.gep(target, [first])
            width = emitter.index(emitter.width)
            with emitter.loop(builder.sdiv(count, width)) as k:
                here = builder.mul(k, width)
                total = emitter.constant(0)
                for factor, pointer in zip(factors, sources, strict=True):
                    total = emitter.multiply_add(factor, emitter.load(builder.gep(pointer, [here])), total)
                emitter.store(total, builder.gep(target, [here]))
            return context.get_dummy_value()

        places, numbers = types.UniTuple(size, terms), types.UniTuple(source.dtype, terms)
        return types.void(source, places, numbers, target, size, size), emit

    return weigh


def gathered_largest():
    """Return largest(source, first, runs, target, to, count).

    It computes target[to + i] = max_r source[first + runs[r] + i] over every run r for i in range(count), a multiple
    of a line. NaN propagates. source and target are flat and must not overlap. Indices are not checked.
    """

    @intrinsic
    def largest(typing, source, first, runs, target, to, count):
        size = types.intp

        def emit(context, builder, signature, arguments):
            emitter = _Emitter(context, builder, signature, arguments, REGISTER)
            source, first, runs, target, to, count = emitter.arguments
            number = context.make_array(signature.args[2])(context, builder, arguments[2]).nitems
            best = cgutils.alloca_once(builder, emitter.line)
            with emitter.loop(builder.sdiv(count, emitter.index(emitter.width))) as k:
                here = builder.mul(k, emitter.index(emitter.width))
                column = emitter.at(source, first, here)
                builder.store(emitter.load(builder.gep(column, [emitter.entry(runs, emitter.index(0), 0)])), best)
                with emitter.loop(builder.sub(number, emitter.index(1))) as run:
                    line = emitter.load(builder.gep(column, [emitter.entry(runs, run, 1)]))
                    builder.store(emitter.larger(line, builder.load(best)), best)
                emitter.store(builder.load(best), emitter.at(target, to, here))
            return context.get_dummy_value()

        return types.void(source, size, runs, target, size, size), emit

    return largest


def square_transposition():
    """Return transpose(source, first, row, target, to, step).

    It sets target[to + j · step + i] = source[first + i · row + j] for i and j below the width of a line. source and
    target are flat and must not overlap.
    """

    @intrinsic
    def transpose(typing, source, first, row, target, to, step):
        size = types.intp

        def emit(context, builder, signature, arguments):
            emitter = _Emitter(context, builder, signature, arguments, REGISTER)
            source, first, row, target, to, step = emitter.arguments
            for top, left in itertools.product(range(0, LINE // emitter.size, emitter.width), repeat=2):
                rows = (builder.mul(row, emitter.index(top + i)) for i in range(emitter.width))
                lines = [emitter.load(emitter.at(source, first, place), left) for place in rows]
                # Transpose by exchanging off-diagonal parts: of 2 × 2 numbers, then of 2 × 2 pairs, …
                part = 1
                while part < emitter.width:
                    for i in range(emitter.width):
                        if not i & part:
                            lines[i], lines[i + part] = emitter.exchange(lines[i], lines[i + part], part)
                    part *= 2
                for j, line in enumerate(lines):
                    emitter.store(line, emitter.at(target, to, builder.mul(step, emitter.index(left + j))), top)
            return context.get_dummy_value()

        return types.void(source, size, size, target, size, size), emit

    return transpose


def _times(emitter, matrix, lines):
    """Return matrix · lines. Rows that evaluate a polynomial at t and −t share its even and odd parts."""
    results, k = [], 0
    while k < len(matrix):
        row, twin = matrix[k], matrix[k + 1] if k + 1 < len(matrix) else []
        even, odd = _alternate(row, 0), _alternate(row, 1)
        for half, other in ((even, odd), (odd, even)):
            if any(half) and any(other) and twin == [a - b for a, b in zip(half, other, strict=True)]:
                a, b = emitter.combine(half, lines), emitter.combine(other, lines)
                results += [emitter.builder.fadd(a, b), emitter.builder.fsub(a, b)]
                k += 2
                break
        else:
            results.append(emitter.combine(row, lines))
            k += 1
    return results


def _alternate(row, parity):
    return [number if i % 2 == parity else 0.0 for i, number in enumerate(row)]


class _Emitter:
    """An emitter of instructions on cache lines, for arrays of one dtype."""

    def __init__(self, context, builder, signature, arguments, line=LINE):
        self.context, self.builder = context, builder
        kinds = signature.args
        dtype = kinds[0].dtype
        number = context.get_value_type(dtype)
        self.size = context.get_abi_sizeof(number)
        self.width = line // self.size
        self.number, self.line = number, ir.VectorType(number, self.width)
        self.arguments = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(kinds, arguments, strict=True)
        ]

    @contextlib.contextmanager
    def loop(self, count):
        """Emit a loop, whose body is emitted inside the block with an index in range(count).

        LLVM must not unroll it: it would load the numbers of several iterations at once, run out of registers, and
        spill sums to the stack.
        """
        builder, before = self.builder, self.builder.basic_block
        head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(count.type)
        index.add_incoming(count.type(0), before)
        builder.cbranch(builder.icmp_signed("<", index, count), body, after)
        builder.position_at_end(body)
        yield index
        index.add_incoming(builder.add(index, count.type(1)), builder.basic_block)
        builder.branch(head).set_metadata("llvm.loop", self._not_to_be_unrolled())
        builder.position_at_end(after)

    def _not_to_be_unrolled(self):
        """Return loop metadata, a self-referential node, that disables unrolling."""
        module = self.builder.module
        wish = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
        name = ir.values.MDValue(module, [], str(len(module.metadata)))
        name.operands = (name, wish)
        return name

    def index(self, n):
        return ir.Constant(self.context.get_value_type(types.intp), n)

    def constant(self, x):
        return ir.Constant(self.line, [float(x)] * self.width)

    def at(self, pointer, first, offset):
        return self.builder.gep(pointer, [self.builder.add(first, offset)])

    def _line_pointer(self, pointer, offset):
        return self.builder.bitcast(self.builder.gep(pointer, [self.index(offset)]), self.line.as_pointer())

    def load(self, pointer, offset=0):
        return self.builder.load(self._line_pointer(pointer, offset), align=self.size)

    def store(self, line, pointer, offset=0):
        self.builder.store(line, self._line_pointer(pointer, offset), align=self.size)

    def fetch(self, pointer):
        """Prefetch a row of a panel into the L2 cache. No address is invalid."""
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        prefetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        for j in range(LINES):
            line = self.builder.bitcast(self.builder.gep(pointer, [self.index(j * self.width)]), byte)
            self.builder.call(prefetch, [line, flag(0), flag(2), flag(1)])  # for reading, into the L2 cache, as data

    def entry(self, table, at, offset):
        """Load an entry of a table of positions."""
        return self.builder.load(self.at(table, at, self.index(offset)))

    def sums(self, rows):
        """Return zeroed registers for `rows` rows of a panel."""
        sums = [[cgutils.alloca_once(self.builder, self.line) for _ in range(LINES)] for _ in range(rows)]
        for total in itertools.chain(*sums):
            self.builder.store(self.constant(0), total)
        return sums

    def load_sums(self, sums, sources):
        for source, totals in zip(sources, sums, strict=True):
            for j, total in enumerate(totals):
                self.builder.store(self.load(source, j * self.width), total)

    def add_to_sums(self, sums, sources):
        for source, totals in zip(sources, sums, strict=True):
            for j, total in enumerate(totals):
                there = self.load(source, j * self.width)
                self.builder.store(self.builder.fadd(there, self.builder.load(total)), total)

    def store_sums(self, sums, targets):
        for target, totals in zip(targets, sums, strict=True):
            for j, total in enumerate(totals):
                self.store(self.builder.load(total), target, j * self.width)

    def add_products(self, factors, panel, sums):
        """Add the products of one number per row with a row of the panel."""
        terms = [self.load(panel, j * self.width) for j in range(LINES)]
        for factor, totals in zip(factors, sums, strict=True):
            number = self.everywhere(self.builder.load(factor))
            for term, total in zip(terms, totals, strict=True):
                self.builder.store(self.multiply_add(number, term, self.builder.load(total)), total)

    def rectified(self, line):
        """Return the line clamped at zero. NaN propagates."""
        negative = self.builder.fcmp_ordered("<", line, self.constant(0))
        return self.builder.select(negative, self.constant(0), line)

    def larger(self, line, best):
        """Return the elementwise maximum. NaN propagates."""
        wins = self.builder.or_(
            self.builder.fcmp_ordered(">", line, best), self.builder.fcmp_unordered("uno", line, line)
        )
        return self.builder.select(wins, line, best)

    def everywhere(self, number):
        nothing, lane = ir.Constant(self.line, ir.Undefined), ir.IntType(32)
        one = self.builder.insert_element(nothing, number, ir.Constant(lane, 0))
        return self.builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(lane, self.width), [0] * self.width))

    def exchange(self, a, b, part):
        """Exchange the second part of each pair of parts in `a` with the first in `b`."""
        places = range(self.width)
        one = [k if not k & part else self.width + k - part for k in places]
        other = [k + part if not k & part else self.width + k for k in places]
        kind = ir.VectorType(ir.IntType(32), self.width)
        return [self.builder.shuffle_vector(a, b, ir.Constant(kind, mask)) for mask in (one, other)]

    def multiply_add(self, a, b, c):
        name = f"llvm.fmuladd.v{self.width}{self.number.intrinsic_name}"
        kind = ir.FunctionType(self.line, [self.line] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])

    def combine(self, row, lines):
        """Return Σ row[i] · lines[i], without multiplications by one."""
        terms = [(number, line) for number, line in zip(row, lines, strict=True) if number]
        terms.sort(key=lambda term: term[0] != 1)  # begin with a factor of one, if there is one
        number, total = terms[0]
        if number != 1:
            total = self.builder.fmul(self.constant(number), total)
        for number, line in terms[1:]:
            if number == 1:
                total = self.builder.fadd(total, line)
            elif number == -1:
                total = self.builder.fsub(total, line)
            else:
                total = self.multiply_add(self.constant(number), line, total)
        return total
