"""The tape microscope: a record of every operation, with its values, its gradients and the reasons for them.

with minicnn.record() as tape:
    loss = …
    loss.backward()
tape.show()                      a table
tape.step()                      forward and backward, operation by operation
tape.why(w, (1, 0, 2, 0))        the products whose sum is this element of w's gradient
tape.pixel(y, (0, 2, 3, 1))      one output of a convolution, every way it is computed
tape.save_html("tape.html")      the whole tape as an HTML page

An array that was changed in place between forward and backward raises InPlaceError, which names the array.
"""

from minicnn.errors import suggest_names
from minicnn.tape.changes import InPlaceError
from minicnn.tape.microscope import Tape, record
from minicnn.tape.recorder import Step, Value

__all__ = ["InPlaceError", "Step", "Tape", "Value", "record"]

suggest_names(__name__, __all__)
