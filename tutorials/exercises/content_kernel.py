"""Exercise: a kernel for a GPU."""

import numpy as np

from minicnn import backend, devices
from minicnn.learn.exercise import Case, Exercise, Slip

try:
    from numba import cuda, float32
except ImportError:  # the task can be read without Numba; to run it takes the simulator that is part of Numba
    cuda = float32 = None  # type: ignore[assignment]

THREADS = 8


def content_kernel(a, b, partial):
    """The content cost on a GPU: each block of threads adds up its share of Σ (a − b)².

        partial[k] = Σ (a[i] − b[i])²  over the elements i that belong to block k

    a, b: (n,) float32. partial: (blocks,), to be written to. A kernel returns nothing.
    It runs on ⌈n / THREADS⌉ blocks of THREADS threads each; a thread's element is i = cuda.grid(1), so that the last
    block may have threads to spare.

    Every thread squares one difference and puts it into memory that its block shares. Then half of the threads each add
    the number of one of the others to their own, then a quarter of them, and so on, until one holds the sum. Threads
    run in any order: `cuda.syncthreads()` waits until all threads of the block have come there, so all of them must.

    cuda.threadIdx.x: which thread of its block this is. cuda.blockIdx.x: which block.
    cuda.shared.array(THREADS, float32): memory of the block, which begins as anything.
    """
    shared = cuda.shared.array(THREADS, float32)
    thread, i = cuda.threadIdx.x, cuda.grid(1)
    shared[thread] = 0
    if i < a.size:
        shared[thread] = (a[i] - b[i]) ** 2
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if thread < half:
            shared[thread] += shared[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        partial[cuda.blockIdx.x] = shared[0]


# Kernels with a mistake that no error gives away


def _unsquared(a, b, partial):
    shared = cuda.shared.array(THREADS, float32)
    thread, i = cuda.threadIdx.x, cuda.grid(1)
    shared[thread] = abs(a[i] - b[i]) if i < a.size else 0
    cuda.syncthreads()
    if thread == 0:
        total = float32(0)
        for k in range(THREADS):
            total += shared[k]
        partial[cuda.blockIdx.x] = total


def _first_alone(a, b, partial):
    if cuda.threadIdx.x == 0:
        i = cuda.grid(1)
        partial[cuda.blockIdx.x] = (a[i] - b[i]) ** 2


def _half_alone(a, b, partial):
    shared = cuda.shared.array(THREADS, float32)
    thread, i = cuda.threadIdx.x, cuda.grid(1)
    shared[thread] = (a[i] - b[i]) ** 2 if i < a.size else 0
    cuda.syncthreads()
    if thread == 0:
        partial[cuda.blockIdx.x] = shared[0] + shared[THREADS // 2]


def _first_block(a, b, partial):
    shared = cuda.shared.array(THREADS, float32)
    thread = cuda.threadIdx.x
    shared[thread] = (a[thread] - b[thread]) ** 2
    cuda.syncthreads()
    if thread == 0:
        total = float32(0)
        for k in range(THREADS):
            total += shared[k]
        partial[cuda.blockIdx.x] = total


def _round_too_few(a, b, partial):
    shared = cuda.shared.array(THREADS, float32)
    thread, i = cuda.threadIdx.x, cuda.grid(1)
    shared[thread] = (a[i] - b[i]) ** 2 if i < a.size else 0
    cuda.syncthreads()
    if thread == 0:
        total = float32(0)
        for k in range(0, THREADS, 2):
            total += shared[k]
        partial[cuda.blockIdx.x] = total


def _leftovers_undefined(a, b, partial):
    shared = cuda.shared.array(THREADS, float32)
    thread, i = cuda.threadIdx.x, cuda.grid(1)
    if i < a.size:
        shared[thread] = (a[i] - b[i]) ** 2
    cuda.syncthreads()
    if thread == 0:
        total = float32(0)
        for k in range(THREADS):
            total += shared[k]
        partial[cuda.blockIdx.x] = total


def _nothing(a, b, partial):
    pass


def _observed(function, arguments):
    a, b = arguments
    kernel = function if hasattr(function, "fn") else cuda.jit(function)
    blocks = -(-a.size // THREADS)
    partial = devices.move(np.full(blocks, -1, np.float32), "cuda")
    arrays = devices.move(a, "cuda"), devices.move(b, "cuda"), partial
    with backend.ask("watched"):
        backend.ask("launch", kernel, blocks, THREADS, *arrays)
    return {"partial": devices.to_host(partial)}


def _drawn(n, seed):
    def arguments():
        random = np.random.default_rng(seed)
        return [random.standard_normal(n).astype(np.float32) for _ in range(2)]

    return arguments


EXERCISE = Exercise(
    function=content_kernel,
    title="the content cost on a (simulated) GPU",
    lecture="Content cost function",
    read="tutorials/22_a_cuda_kernel_step_by_step.py",
    imports=f"from numba import cuda, float32\n\nTHREADS = {THREADS}",
    observe=_observed,
    decorator="@cuda.jit",
    simulated=True,
    cases=(
        Case("8 numbers: one block", _drawn(8, 0)),
        Case("24 numbers: three blocks", _drawn(24, 1)),
        Case("21 numbers: threads to spare", _drawn(21, 2)),
    ),
    slips=(
        Slip(
            "no guard",
            "In the last block there are more threads than numbers, and they reach for numbers that are not there. On "
            "a GPU nobody says so: they read somebody else's memory.",
            raises="is out of bounds for axis 0 with size 21",
        ),
        Slip(
            "beyond the shared memory",
            "A thread reaches beyond the shared memory, which has a place for each thread of the block and no more. "
            "Who adds whose number, and who has nothing to add?",
            raises=f"is out of bounds for axis 0 with size {THREADS}",
        ),
        Slip(
            "partial by threads",
            "partial has an element for each block, not for each thread. Which block is this?",
            raises="is out of bounds for axis 0 with size 1",
        ),
        Slip(
            "no barrier",
            "A race: one thread reads what another may not have written yet. It may come out right today. Where must "
            "the threads wait for each other?",
            raises="shared memory[",
        ),
        Slip(
            "barrier not for all",
            "Some threads wait at a barrier that others never come to: on a GPU the block would hang. A barrier is for "
            "all threads of a block, also for those that have nothing to do.",
            raises="wait at a barrier",
        ),
        Slip(
            "everybody writes",
            "Several threads write to one element of partial. Who of the block knows the sum, and should write it "
            "alone?",
            raises="argument 2[",
        ),
        Slip(
            "leftovers undefined",
            "Where every thread has a number you are right. Threads to spare leave their part of the shared memory as "
            "it was, and it was anything.",
            _leftovers_undefined,
        ),
        Slip(
            "unsquared",
            "You add up differences without their sign. It is their squares that are wanted.",
            _unsquared,
        ),
        Slip(
            "first thread alone",
            "Only the first thread's number arrives in partial. What have the others found?",
            _first_alone,
        ),
        Slip(
            "one round",
            "Two numbers of each block arrive, so you added once. How often must the number of threads be halved?",
            _half_alone,
        ),
        Slip(
            "every block the first",
            "Every block works on the numbers of the first one. A thread knows its number within the block; which is "
            "its element?",
            _first_block,
        ),
        Slip(
            "one round too few",
            "You stop when two threads hold half of the sum each.",
            _round_too_few,
        ),
        Slip(
            "whole arrays",
            "In a kernel every thread works on numbers of its own, such as a[i]. Whole arrays are for NumPy.",
            raises="'Watched'",
        ),
        Slip("nothing written", "Nothing is written to partial: the −1 stood there before.", _nothing),
    ),
    hints=(
        "What does one thread do, from its first line to its last? And at which moments does it need something that "
        "other threads have written?",
        "Fill the shared memory (with 0 where i is too large), wait. Then, with half = THREADS // 2: threads below "
        "half add shared[thread + half] to shared[thread]; all wait; half is halved; until it is 0. Thread 0 writes.",
        "while half > 0: if thread < half: shared[thread] += shared[thread + half]; and then, *outside* of the if, "
        "cuda.syncthreads(); half //= 2. In the end: if thread == 0: partial[cuda.blockIdx.x] = shared[0].",
    ),
)
