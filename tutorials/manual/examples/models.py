"""Examples of minicnn.models. A value after → is what the line gives, and a test compares them."""

import numpy as np
from minicnn import models, no_grad, zoo

pictures = np.full((1, 64, 64, 3), 0.5, np.float32)

# %% deepface
models.deepface(None, seed=0).card.input_size  # random weights  # → (152, 152)

# %% dlib_face
models.dlib_face(None, seed=0).card.input_size  # random weights  # → (150, 150)

# %% from_weights
type(models.from_weights("tiny_vgg")).__name__  # → 'VGG'

# %% inception_resnet_v1
models.inception_resnet_v1(None, embedding=512, seed=0).card.embedding  # random weights  # → 512

# %% mtcnn
network = models.mtcnn(None, seed=0)  # random weights
with no_grad():
    network(pictures).shape  # the map of candidate windows  # → (1, 27, 27, 6)

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

# %% vgg16
network = models.vgg16(None, pooling="avg", seed=0)  # random weights
network.layer_names[:2]  # → ['block1_conv1', 'block1_conv2']

# %% vgg19
network = models.vgg19(None, seed=0)  # random weights; a catalogue name or a file loads trained ones
with no_grad():
    network.features(pictures, ["block2_conv1"])["block2_conv1"].shape  # → (1, 32, 32, 128)
