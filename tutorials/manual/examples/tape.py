"""Examples of minicnn.tape. A value after → is what the line gives, and a test compares them."""

from minicnn import Tensor, ops, tape

x = Tensor([1.0, 2.0], requires_grad=True)

# %% record
with tape.record() as recorded:
    loss = (x * x).sum()
    loss.backward()
print(recorded.why(x, 1))

# %% Tape
with tape.record() as recorded:
    y = ops.exp(x)
recorded.show()
recorded.save_html("tape.html")

# %% Step
with tape.record() as recorded:
    y = ops.exp(x)
recorded.steps[0].op.__name__  # → 'exp'

# %% Value
with tape.record() as recorded:
    y = ops.exp(x)
recorded.steps[0].output.array.shape  # → (2,)

# %% InPlaceError
with tape.record() as recorded:
    y = (x * x).sum()
x.data[0] = 5.0
try:
    y.backward()
except tape.InPlaceError as wrong:
    "x" in str(wrong)  # → True
