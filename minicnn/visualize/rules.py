"""Three ways back through a ReLU: the gradient, the deconvnet's and guided backpropagation's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minicnn.errors import InputError
from minicnn.ops.activations import RELU_RULES, chosen_relu_rule


@contextmanager
def backward_rule(rule: str) -> Iterator[None]:
    """Inside the block every ReLU, by itself or fused, passes a cotangent g back by this rule; restored afterwards.

        "gradient"    g · [x > 0]              what everybody trains with
        "deconvnet"   max(g, 0)                Zeiler & Fergus 2014, section 2.1
        "guided"      max(g, 0) · [x > 0]      Springenberg et al. 2015, section 3.4

    Nothing else differs between the three: convolutions go back by their transposed filters, and max pools to where
    their switches point. The rule is read when a backward runs, so the call of `.backward()` belongs into the block.
    """
    if rule not in RELU_RULES:
        raise InputError(f"backward_rule: rule is {rule!r}; expected one of {', '.join(RELU_RULES)}")
    token = chosen_relu_rule.set(rule)
    try:
        yield
    finally:
        chosen_relu_rule.reset(token)
