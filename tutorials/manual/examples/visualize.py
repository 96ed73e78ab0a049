"""Examples of minicnn.visualize. A value after → is what the line gives, and a test compares them."""

import numpy as np
from minicnn import Tensor, models, visualize

network = models.tiny_vgg()
picture = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)  # any pictures
layer = "block2_conv1"

# %% DrawnFaces
visualize.DrawnFaces(4, 64)[0].shape  # → (64, 64, 3)

# %% Fields
visualize.fields_of(network, layer, (32, 32)).box(0, 0)  # top, bottom, left, right  # → (0, 6, 0, 6)

# %% Patches
found = visualize.top_patches(network, layer, picture, units=[3, 5], k=1, progress=False)
found.values.shape, found.boxes.shape  # → ((2, 1), (2, 1, 4))

# %% Synthesis
found = visualize.maximize(network, layer, [3, 5], steps=2)
found.images.shape, found.history.shape  # → ((2, 32, 32, 3), (2, 2))

# %% backward_rule
x = Tensor(picture, requires_grad=True)
with visualize.backward_rule("guided"):
    network.features(x, [layer])[layer].sum().backward()
x.grad.shape  # → (1, 32, 32, 3)

# %% deconvnet
visualize.deconvnet(network, layer, picture, 3).shape  # → (1, 32, 32, 3)

# %% embedding_map
pictures = np.random.default_rng(1).random((5, 32, 32, 3), np.float32)
figure = visualize.embedding_map(network, pictures)
visualize.save(figure, "map.png")

# %% evidence
figure = visualize.evidence(network, "gradcam", picture, unit="dog")
visualize.save(figure, "evidence.png")

# %% feature_grid
figure = visualize.feature_grid(network, layer, picture[0])
visualize.save(figure, "features.png")

# %% fields_of
visualize.fields_of(network, layer, (32, 32)).rows.shape  # → (16, 2)

# %% filter_grid
figure = visualize.filter_grid(network, "block1_conv1")
visualize.save(figure, "filters.png")

# %% grad_cam
visualize.grad_cam(network, layer, picture, 3).shape  # → (1, 32, 32)

# %% guided_backprop
visualize.guided_backprop(network, layer, picture, 3).shape  # → (1, 32, 32, 3)

# %% integrated_gradients
visualize.integrated_gradients(network, layer, picture, 3, steps=2).shape  # → (1, 32, 32, 3)

# %% invert
visualize.invert(network, layer, picture[0], steps=2).images.shape  # → (32, 32, 3)

# %% maximize
visualize.maximize(network, layer, [3], steps=2).images.shape  # → (1, 32, 32, 3)

# %% occlusion
visualize.occlusion(network, layer, picture, 3, size=16, stride=16).shape  # → (1, 32, 32)

# %% patch_grid
found = visualize.top_patches(network, layer, picture, units=[3], k=1, progress=False)
visualize.save(visualize.patch_grid(found), "patches.png")

# %% saliency
visualize.saliency(network, layer, picture, 3).shape  # → (1, 32, 32, 3)

# %% save
figure = visualize.filter_grid(network, "block1_conv1", most=4)
visualize.save(figure, "four_filters.png")

# %% smoothgrad
visualize.smoothgrad(network, layer, picture, 3, samples=2).shape  # → (1, 32, 32, 3)

# %% story
pictures = np.random.default_rng(1).random((5, 32, 32, 3), np.float32)
figure = visualize.story(network, layer, pictures, units=[3], steps=2, progress=False)
visualize.save(figure, "story.png")

# %% top_patches
pieces = np.stack([picture[0, i : i + 16, i : i + 16] for i in range(0, 16, 4)])
visualize.top_patches(network, layer, pieces, units=[3], k=2, progress=False).crops.shape  # → (1, 2, 10, 10, 3)
