"""Examples of minicnn.images. A value after → is what the line gives, and a test compares them."""

import numpy as np
from minicnn import images

painting = np.random.default_rng(0).random((32, 32, 3), np.float32)  # (H, W, 3) in [0, 1]

# %% as_bytes
images.as_bytes(painting, "picture").dtype  # → dtype('uint8')

# %% as_floats
images.as_floats(np.full((2, 2, 3), 255, np.uint8), "picture").max().item()  # → 1.0

# %% as_image
images.as_image(painting, name="picture", size=16).shape  # → (16, 16, 3)

# %% load
images.save("painting.png", painting)
images.load("painting.png", size=16).shape  # → (16, 16, 3)

# %% resample
images.resample(painting, 8, 16).shape  # → (8, 16, 3)

# %% resize
images.resize(painting, 8, 16).shape  # → (8, 16, 3)

# %% save
images.save("painting.jpg", painting)
