"""Gradients checked against finite differences, and what is said of those that are wrong.

checking.py      gradcheck: the analytic gradient compared with finite differences
differences.py   finite differences of a function, and when to trust them
patterns.py      what is wrong, from the numbers of the two gradients alone
reasons.py       what is wrong, by evaluating the function again
reports.py       the result of a check, as objects and as lines to read
cases.py         one row per op: the inputs on which its gradient is checked
"""
