"""The three backward rules of ReLU: the gradient, the deconvnet's, and guided backpropagation's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minicnn.errors import InputError
from minicnn.ops.activations import RELU_RULES, chosen_relu_rule


@contextmanager
def backward_rule(rule: str) -> Iterator[None]:
    """Pass cotangents g back through every ReLU, fused or not, by this rule inside the block; restore it afterwards.

        "gradient"    g · [x > 0]              the derivative, as in training
        "deconvnet"   max(g, 0)                Zeiler & Fergus 2014, section 2.1
        "guided"      max(g, 0) · [x > 0]      Springenberg et al. 2015, section 3.4

    The three differ in nothing else: convolutions pass gradients by their transposed filters, and max pools by their
    switches. The rule is read when a backward runs, so call `.backward()` inside the block.
    """
    if rule not in RELU_RULES:
        raise InputError(f"backward_rule: rule is {rule!r}; expected one of {', '.join(RELU_RULES)}")
    token = chosen_relu_rule.set(rule)
    try:
        yield
    finally:
        chosen_relu_rule.reset(token)
