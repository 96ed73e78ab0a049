"""Exercise: the walk back through a graph."""

import numpy as np

from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import Unfit, comparable, told


class Node:
    """A number or an array in a graph. A node without inputs is a leaf: a parameter, of which the gradient is asked."""

    def __init__(self, *inputs, backward=None):
        self.inputs, self._backward, self.calls = inputs, backward, 0

    def backward(self, gradient):
        """Return the gradient to each input, as a tuple, from that to the node itself."""
        self.calls += 1
        return self._backward(gradient)


def walk_back(result, gradient):
    """Backpropagation: the gradients of everything that a result was made of.

    result: a node of a graph. A node has
        node.inputs: a tuple of the nodes that it was made of. A leaf, such as a weight, has none.
        node.backward(gradient): from the gradient to the node, the gradient to each of its inputs, as a tuple.
    gradient: the gradient to the result itself, a number or an array.

    A node may be used several times. Every use gives it a part, and its gradient is the sum of the parts. It must have
    all of them before its own backward is called, which happens once. The graph may be 3,000 nodes deep, which is more
    than Python lets a function call itself.

    Return {leaf: gradient}, a dictionary with all leaves that the result was made of.
    """
    uses = {result: 0}
    found = [result]
    for node in found:  # it grows while it is walked
        for source in node.inputs:
            if source not in uses:
                uses[source] = 0
                found.append(source)
            uses[source] += 1
    gradients, ready, leaves = {result: gradient}, [result], {}
    while ready:
        node = ready.pop()
        if not node.inputs:
            leaves[node] = gradients[node]
            continue
        for source, part in zip(node.inputs, node.backward(gradients[node]), strict=True):
            gradients[source] = gradients[source] + part if source in gradients else part
            uses[source] -= 1
            if not uses[source]:
                ready.append(source)
    return leaves


def _add(a, b):
    return Node(a, b, backward=lambda d: (d, d))


def _times(a, factor):
    return Node(a, backward=lambda d: (d * factor,))


def _product(a, b, x, y):
    """The product of two nodes that are worth x and y."""
    return Node(a, b, backward=lambda d: (d * y, d * x))


def _chain():
    x = Node()
    return _times(_times(x, 3.0), 5.0), 1.0, [x]


def _used_twice():
    x, y = Node(), Node()
    return _add(_product(x, y, 2.0, 7.0), x), 1.0, [x, y]


def _square():
    x = Node()
    return _product(x, x, 3.0, 3.0), 2.0, [x]


def _deep_and_shallow():
    """a is used near the result, and once more far below it."""
    x = Node()
    a = _times(x, 2.0)
    return _add(a, _times(_times(a, 5.0), 7.0)), 1.0, [x]


def _shallow_and_deep():
    x = Node()
    a = _times(x, 2.0)
    return _add(_times(_times(a, 5.0), 7.0), a), 1.0, [x]


def _crossed():
    """Two inputs that are made of one another."""
    x, w = Node(), Node()
    a = _times(x, 2.0)
    b = _add(a, w)
    c = _product(a, b, 3.0, 4.0)
    return _add(_add(c, b), _times(a, 10.0)), 0.5, [x, w]


def _doubled():
    x = node = Node()
    for _ in range(12):
        node = _add(node, node)
    return node, 1.0, [x]


def _long():
    x = node = Node()
    for _ in range(3000):
        node = _times(node, -1.0)
    return node, 1.0, [x]


def _arrays():
    w, b = Node(), Node()
    y = Node(w, b, backward=lambda d: (d[:, None] * np.arange(3.0), d))
    return _add(y, b), np.array([1.0, -2.0]), [w, b]


def _leaf_alone():
    x = Node()
    return x, 4.0, [x]


def _observe(function, arguments):
    """The gradients of all leaves in a row. No node's backward may run twice."""
    result, gradient, leaves = arguments
    found = function(result, gradient)
    if not isinstance(found, dict):
        raise Unfit(f"expected a dictionary {{leaf: gradient}}, got {told(found)}")
    if missing := sum(leaf not in found for leaf in leaves):
        raise Unfit(f"expected all {len(leaves)} leaves in the dictionary; {missing} of them missing")
    if (calls := max(node.calls for node in _preorder(result))) > 1:
        raise Unfit(f"the backward of a node is called {calls} times, expected once, when all its parts are there")
    values = [comparable(found[leaf], "a gradient") for leaf in leaves]
    return {"": np.concatenate([np.ravel(value) for value in values])}


def _walk(add=lambda old, part: old + part, first=lambda gradient: gradient, order=None, depth=None):
    """A walk in another order, with another sum, or only so deep."""

    def walk(result, gradient):
        gradients, leaves = {result: first(gradient)}, {}
        for number, node in enumerate((order or _sorted)(result)):
            if node not in gradients or (depth and number >= depth and node.inputs):
                continue
            if not node.inputs:
                leaves[node] = gradients[node]
                continue
            for source, part in zip(node.inputs, node.backward(gradients[node]), strict=True):
                gradients[source] = add(gradients[source], part) if source in gradients else part
        return leaves

    return walk


def _sorted(result):
    """Every node after all those that were made of it."""
    order, seen, stack = [], set(), [(result, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack += [(node, True), *((source, False) for source in node.inputs)]
    return order[::-1]


def _counted(result):
    """The order of the solution: a node whose uses have all had their turn, the last one first."""
    uses = dict.fromkeys(_preorder(result), 0)
    for node in uses:
        for source in node.inputs:
            uses[source] += 1
    ready, order = [result], []
    while ready:
        order.append(ready.pop())
        for source in order[-1].inputs:
            uses[source] -= 1
            if not uses[source]:
                ready.append(source)
    return order


def _breadth(result):
    order = {result: None}
    waiting = [result]
    for node in waiting:
        new = [source for source in node.inputs if source not in order]
        order |= dict.fromkeys(new)
        waiting += dict.fromkeys(new)
    return waiting


def _preorder(result):
    stack, seen = [result], set()
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            yield node
            stack += reversed(node.inputs)


def _queue(result, gradient):
    """Each part is passed on as it comes: by all paths."""
    leaves: dict = {}
    waiting = [(result, gradient)]
    while waiting:
        node, d = waiting.pop()
        if not node.inputs:
            leaves[node] = leaves.get(node, 0) + d
        else:
            waiting += zip(node.inputs, node.backward(d), strict=True)
    return leaves


EXERCISE = Exercise(
    function=walk_back,
    title="the walk back through a graph",
    lecture="Computation graph (course 1)",
    read="tutorials/01_tensors_and_the_tape.py",
    imports="import numpy as np",
    observe=_observe,
    cases=(
        Case("a chain: 5 · (3 · x)", _chain, {"": [15.0]}),
        Case("a leaf that is used twice: x · y + x", _used_twice, {"": [8.0, 2.0]}),
        Case("both inputs the same: x · x", _square, {"": [12.0]}),
        Case("used near the end, and deep below", _deep_and_shallow, {"": [72.0]}),
        Case("the same, the other way round", _shallow_and_deep, {"": [72.0]}),
        Case("uses that cross", _crossed, {"": [18.0, 2.0]}),
        Case("arrays", _arrays),
        Case("the result is a leaf", _leaf_alone, {"": [4.0]}),
        Case("x doubled twelve times", _doubled, {"": [4096.0]}),
        Case("3,000 nodes deep", _long, {"": [1.0]}),
    ),
    slips=(
        Slip(
            "overwrites",
            "A node that is used twice keeps the part that came last. Parts add up.",
            (_walk(add=lambda old, part: part), _walk(add=lambda old, part: part, order=_counted)),
        ),
        Slip(
            "keeps the first part",
            "A node that is used twice keeps the part that came first. Parts add up.",
            (_walk(add=lambda old, part: old), _walk(add=lambda old, part: old, order=_counted)),
        ),
        Slip(
            "too early",
            "Chains are right. But a node passes its gradient on before all of its uses have given their part: it has "
            "its turn as soon as it is met. Count the uses first, or sort the nodes.",
            (_walk(order=_breadth), _walk(order=_preorder)),
        ),
        Slip(
            "by all paths",
            "You pass on each part as it comes, so that a node has its turn once for every path. Twelve doublings are "
            "4,096 paths. Wait until all parts are there, add them, and pass on their sum.",
            _queue,
        ),
        Slip(
            "begins with 1",
            "You begin with 1, whatever the gradient to the result is.",
            _walk(first=lambda gradient: np.ones_like(gradient)),
        ),
        Slip(
            "calls itself",
            "A function that calls itself for every input comes to Python's limit after a thousand nodes. Keep the "
            "nodes that wait in a list, and loop while there are any.",
            raises="maximum recursion depth exceeded",
        ),
        Slip(
            "one level",
            "The result's own inputs have their gradients, those further back have none. The walk goes on from each.",
            _walk(depth=1),
        ),
    ),
    hints=(
        "When may a node pass its gradient on? When every node that it was used for has had its turn. How do you know "
        "that?",
        "Go through the graph once, and count how often each node is an input. Then walk: take a node whose count is "
        "0, call its backward, add each part to what its input has so far, and lower that input's count.",
        "uses = {result: 0}; found = [result]; for node in found: for source in node.inputs: if it is new, put it into "
        "both; uses[source] += 1. Then ready = [result]; while ready: node = ready.pop(); a leaf's gradient goes into "
        "the answer; otherwise add the parts, uses[source] -= 1, and append the source to ready at 0.",
    ),
)
