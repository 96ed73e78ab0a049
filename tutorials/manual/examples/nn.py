"""Examples of minicnn.nn: one for each layer. A value after → is what the line gives, and a test compares them."""

import numpy as np
from minicnn import Tensor, nn

signals, pictures, volumes = np.ones((2, 8, 1)), np.ones((2, 8, 8, 1)), np.ones((2, 8, 8, 8, 1))
rows = Tensor([[-1.0, 0.0, 2.0]])

# %% AvgPool1d
nn.AvgPool1d(2)(signals).shape  # → (2, 4, 1)

# %% AvgPool2d
nn.AvgPool2d(2)(pictures).shape  # → (2, 4, 4, 1)

# %% AvgPool3d
nn.AvgPool3d(2)(volumes).shape  # → (2, 4, 4, 4, 1)

# %% BatchNorm
layer = nn.BatchNorm(1)
layer(pictures).shape  # → (2, 8, 8, 1)
layer.eval()(pictures).shape  # → (2, 8, 8, 1)

# %% Conv1d
nn.Conv1d(1, 4, 3, padding="same")(signals).shape  # → (2, 8, 4)

# %% Conv2d
layer = nn.Conv2d(1, 4, 3, stride=2, padding=1, activation="relu", seed=0)
layer(pictures).shape  # → (2, 4, 4, 4)
layer.w.shape  # → (3, 3, 1, 4)

# %% Conv3d
nn.Conv3d(1, 4, 3)(volumes).shape  # → (2, 6, 6, 6, 4)

# %% Dropout
nn.Dropout(0.5).eval()(rows).tolist()  # → [[-1.0, 0.0, 2.0]]

# %% Flatten
nn.Flatten()(pictures).shape  # → (2, 64)

# %% GlobalAvgPool
nn.GlobalAvgPool()(pictures).shape  # → (2, 1)

# %% L2Normalize
nn.L2Normalize()([[3.0, 4.0]]).tolist()  # → [[0.6, 0.8]]

# %% L2Pool1d
nn.L2Pool1d(2)(signals).shape  # → (2, 4, 1)

# %% L2Pool2d
nn.L2Pool2d(2)(pictures).shape  # → (2, 4, 4, 1)

# %% L2Pool3d
nn.L2Pool3d(2)(volumes).shape  # → (2, 4, 4, 4, 1)

# %% LeakyReLU
nn.LeakyReLU(0.1)(rows).tolist()  # → [[-0.1, 0.0, 2.0]]

# %% Linear
layer = nn.Linear(3, 2, seed=0)
layer(rows).shape  # → (1, 2)
{name: p.shape for name, p in layer.named_parameters()}  # → {'w': (3, 2), 'b': (2,)}

# %% LocalResponseNorm
nn.LocalResponseNorm(5)(pictures).shape  # → (2, 8, 8, 1)

# %% LocallyConnected1d
nn.LocallyConnected1d(1, 2, 3, input_size=8)(signals).shape  # → (2, 6, 2)

# %% LocallyConnected2d
nn.LocallyConnected2d(1, 2, 3, input_size=8)(pictures).shape  # → (2, 6, 6, 2)

# %% MaxPool1d
nn.MaxPool1d(2)(signals).shape  # → (2, 4, 1)

# %% MaxPool2d
nn.MaxPool2d(2)(pictures).shape  # → (2, 4, 4, 1)

# %% MaxPool3d
nn.MaxPool3d(2)(volumes).shape  # → (2, 4, 4, 4, 1)


# %% Module
class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = Tensor(np.ones(3), requires_grad=True)  # a Tensor attribute is a parameter

    def forward(self, x):
        return x * self.w


[name for name, _ in Scale().named_parameters()]  # → ['w']

# %% PReLU
nn.PReLU(3)(rows).tolist()  # → [[-0.25, 0.0, 2.0]]

# %% ReLU
nn.ReLU()(rows).tolist()  # → [[0.0, 0.0, 2.0]]


# %% Seed
def noise(seed: nn.Seed = None):
    """Return a random number. seed: an int, a NumPy Generator, or None."""
    return np.random.default_rng(seed).random()


noise(0) == noise(0)  # → True

# %% Sequential
model = nn.Sequential(nn.Conv2d(1, 4, 3, activation="relu"), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10))
model(pictures).shape  # → (2, 10)
sum(p.data.size for p in model.parameters())  # → 410

# %% Sigmoid
nn.Sigmoid()([0.0]).tolist()  # → [0.5]

# %% Softmax
nn.Softmax()([0.0, 0.0]).tolist()  # → [0.5, 0.5]

# %% Softplus
f"{nn.Softplus()(0.0):.4f}"  # → '0.6931'

# %% Tanh
nn.Tanh()([0.0]).tolist()  # → [0.0]

# %% frozen
layer = nn.Linear(3, 2)
with nn.frozen(layer):
    [p.requires_grad for p in layer.parameters()]  # → [False, False]
[p.requires_grad for p in layer.parameters()]  # → [True, True]

# %% glorot
nn.glorot((3, 3, 1, 4), 9, 36, np.random.default_rng(0)).shape  # → (3, 3, 1, 4)

# %% he
nn.he((3, 3, 1, 4), 9, 36, np.random.default_rng(0)).shape  # → (3, 3, 1, 4)
