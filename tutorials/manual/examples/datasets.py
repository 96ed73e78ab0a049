"""Examples of minicnn.datasets. A value after → is what the line gives, and a test compares them."""

import numpy as np
from minicnn import datasets

# %% batches
x, y = np.zeros((10, 2)), np.arange(10)
[len(rows) for _, rows in datasets.batches(x, y, batch_size=4, seed=0)]  # → [4, 4, 2]

# %% paintings
datasets.paintings.PAINTINGS["stained_glass"](32).shape  # → (32, 32, 3)

# %% synthetic_faces
people = datasets.synthetic_faces.Population(size=64)
people.picture(1003, 1).image.shape  # person 1003, picture 1  # → (64, 64, 3)
