"""Examples of minicnn.optim. A value after → is what the line gives, and a test compares them."""

from minicnn import Tensor, optim

x = Tensor([4.0], requires_grad=True)

# %% SGD
optimizer = optim.SGD([x], lr=0.25)
for _ in range(2):
    optimizer.zero_grad()
    (x * x).sum().backward()
    optimizer.step()
x.tolist()  # → [1.0]

# %% Adam
optimizer = optim.Adam([x], lr=0.5)
optimizer.zero_grad()
(x * x).sum().backward()
optimizer.step()
f"{x.item():.4f}"  # → '3.5000'

# %% LBFGS
optimizer = optim.LBFGS([x])


def loss():
    optimizer.zero_grad()
    value = (x * x).sum()
    value.backward()
    return value


optimizer.step(loss)
abs(x.item()) < 4  # → True

# %% Optimizer
optimizer = optim.SGD([x], lr=0.25)
optimizer.learning_rate = 0.1
isinstance(optimizer, optim.Optimizer)  # → True
