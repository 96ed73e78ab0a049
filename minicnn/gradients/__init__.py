"""Gradient checks against finite differences, with explanations of wrong gradients.

checking.py      gradcheck: the analytic gradient compared with finite differences
differences.py   finite differences of a function, and when to trust them
patterns.py      patterns of an error, from the numbers of the two gradients alone
reasons.py       patterns of an error, from further evaluations of the function
reports.py       the result of a check, as objects and as lines to read
cases.py         one row per op: the inputs on which its gradient is checked
"""
