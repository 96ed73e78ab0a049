"""Examples of minicnn.datasets. A value after → is what the line gives, and a test compares them."""

import tarfile
from pathlib import Path
import numpy as np
from minicnn import datasets, images

# %% alignment
picture = np.random.default_rng(0).random((60, 80, 3))
datasets.alignment.crop_by_box(picture, (20, 10, 60, 50), 32).shape  # → (32, 32, 3)

# %% batches
x, y = np.zeros((10, 2)), np.arange(10)
[len(rows) for _, rows in datasets.batches(x, y, batch_size=4, seed=0)]  # → [4, 4, 2]

# %% cifar10
pixels = np.random.default_rng(0).random((32, 32, 3))
images.save("0001.jpg", pixels)
with tarfile.open("cifar.tar", "w") as tar:
    tar.add("0001.jpg", "cat/0001.jpg")
pictures, labels = datasets.cifar10.read("cifar.tar")
datasets.cifar10.CLASSES[labels[0]]  # → 'cat'

# %% doodles
pictures, people = datasets.doodles.album(2, 3, seed=0)
pictures.shape, people.tolist()  # → ((6, 24, 24, 1), [0, 0, 0, 1, 1, 1])

# %% heartbeats
signals, labels = datasets.heartbeats.recordings(4, seed=0)
signals.shape[0], signals.shape[2]  # → (4, 1)

# %% image_folders
Path("people/Ada").mkdir(parents=True)
images.save("people/Ada/1.png", np.zeros((8, 8, 3)))
folder = datasets.image_folders.read("people")
folder.people, folder.load(0).shape  # → (('Ada',), (8, 8, 3))

# %% lfw
Path("pairs.txt").write_text("1\nAda 1 2\nAda 1 Grace 1\n", encoding="utf-8")
[pair.same for pair in datasets.lfw.read_pairs("pairs.txt")]  # → [True, False]

# %% paintings
datasets.paintings.PAINTINGS["stained_glass"](32).shape  # → (32, 32, 3)

# %% pairs
drawn = datasets.pairs.draw_pairs([0, 0, 1, 1, 2, 2, 3, 3], folds=2, pairs=2)
drawn.same.tolist()  # → [True, False, True, False]

# %% replays
picture = np.random.default_rng(0).random((32, 32, 3))
datasets.replays.rephotograph(picture, seed=7).shape  # → (32, 32, 3)

# %% synthetic_faces
people = datasets.synthetic_faces.Population(size=64)
people.picture(1003, 1).image.shape  # person 1003, picture 1  # → (64, 64, 3)

# %% volumes
scans, labels = datasets.volumes.lungs(2, seed=0)
scans.shape  # → (2, 14, 14, 14, 1)
