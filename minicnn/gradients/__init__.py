"""Gradient checks against finite differences, with explanations of wrong gradients.

checking.py      gradcheck: the analytic gradient compared with finite differences
differences.py   finite differences of a function, and when to trust them
evidence.py      a wrong gradient at the inputs of the check and at others, and where it is wrong
slips.py         the grammar of slips: constants, uses, the order of axes, lost terms, masks
slopes.py        slips within a slope: factors, powers, terms, one value for another
sums.py          slips within a sum over a group of entries, as in softmax
reports.py       the result of a check, as objects and as lines to read
cases.py         one row per op: the inputs on which its gradient is checked
"""
