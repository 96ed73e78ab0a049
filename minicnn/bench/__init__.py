"""How fast minicnn is, on this machine, and beside PyTorch where that is installed.

Each section is one module with one function, `section(plan)`, that lists what it measures; `runner` measures it.
"""
