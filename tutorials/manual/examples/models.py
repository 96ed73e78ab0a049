"""Examples of minicnn.models. A value after → is what the line gives, and a test compares them."""

import numpy as np
from minicnn import models, no_grad, zoo

pictures = np.full((1, 64, 64, 3), 0.5, np.float32)

# %% from_weights
type(models.from_weights("tiny_vgg")).__name__  # → 'VGG'

# %% nn4_small2
models.nn4_small2(None, seed=0).card.embedding  # → 128

# %% recognise
models.recognise(zoo.path("tiny_facenet")).__name__  # → 'tiny_facenet'

# %% squeezenet
network = models.squeezenet(None, seed=0)  # random weights
with no_grad():
    network.features(pictures, ["fire2"])["fire2"].shape  # → (1, 15, 15, 128)

# %% tiny_facenet
with no_grad():
    models.tiny_facenet()(pictures).shape  # → (1, 128)

# %% tiny_vgg
network = models.tiny_vgg(pooling="avg")
with no_grad():
    {
        name: x.shape for name, x in network.features(pictures, ["block1_conv1", "block4_conv2"]).items()
    }  # → {'block1_conv1': (1, 64, 64, 32), 'block4_conv2': (1, 8, 8, 256)}
