"""Seeing what a network has learned: the pictures that excite a unit, what in them does, and what it would like best."""

from minicnn.visualize.rules import backward_rule

__all__ = ["backward_rule"]
