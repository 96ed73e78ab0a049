"""Examples of minicnn.style. A value after → is what the line gives, and a test compares them."""

import json
from pathlib import Path
import numpy as np
from minicnn import images, style

content, painting = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)  # any pictures
random = np.random.default_rng(0)
of_content, of_style, generated = random.random((3, 1, 4, 4, 3))  # features of one layer

# %% transfer
result = style.transfer(content, painting, steps=2, levels=1)
result.image.shape  # → (32, 32, 3)
result.history[-1]["total"] < result.history[0]["total"]  # → True

# %% Map
picture = np.zeros((32, 32, 3), np.float32)
picture[:, :16, 0] = picture[:, 16:, 2] = 1  # red on the left, blue on the right
masks = style.Map(picture, ["red", "blue"])
style.transfer(content, [painting, content], masks=masks, steps=1, levels=1).image.shape  # → (32, 32, 3)

# %% StyleResult
result = style.transfer(content, painting, steps=1, levels=1)
sorted(result.history[0])[:3]  # → ['content', 'step', 'style']

# %% content_cost
style.content_cost(of_content, of_content).item()  # → 0.0

# %% from_manifest
images.save("photo.png", content)
images.save("painting.png", painting)
result = style.transfer("photo.png", "painting.png", steps=1, levels=1)
Path("out.json").write_text(json.dumps(result.manifest), encoding="utf-8")
again = style.transfer(**style.from_manifest("out.json"))
np.array_equal(again.image, result.image)  # → True

# %% gram_matrix
style.gram_matrix(of_style).shape  # → (1, 3, 3)

# %% layer_style_cost
style.layer_style_cost(of_style, of_style).item()  # → 0.0

# %% presets
"course" in style.presets()  # → True

# %% style_cost
style.style_cost({"block1": of_style}, {"block1": of_style}, {"block1": 0.2}).item()  # → 0.0

# %% total_cost
style.total_cost(2.0, 1.0)  # → 60.0

# %% total_variation
style.total_variation(np.ones((1, 4, 4, 3))).item()  # → 0.0
