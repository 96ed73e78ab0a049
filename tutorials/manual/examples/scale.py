"""Examples of minicnn.scale. A value after → is what the line gives, and a test compares them."""

import os

from minicnn import faces, images, models, scale
from minicnn.datasets.synthetic_faces import Population

people, encoder, pictures = Population(size=64), models.tiny_facenet(), []  # which knows drawn faces, and those only
for person in ("Ada", "Bo"):
    os.makedirs(f"album/{person}")
    for number in range(2):
        pictures.append(f"album/{person}/{number}.png")
        images.save(pictures[-1], people.picture(1003 if person == "Ada" else 1011, number).image)
os.mkdir("encodings")
visitor = people.picture(1011, 3).image

# %% Collection
scale.encode_all(pictures, "encodings", encoder, per_shard=3)
collection = scale.Collection("encodings")
found = collection.nearest(faces.encode(encoder, visitor), 3)
collection.hit(found.places[0, 0]).picture[:9]  # → 'album/Bo/'

# %% Hit
scale.encode_all(pictures, "encodings", encoder)
scale.Collection("encodings").hit(0)  # → Hit(picture='album/Ada/0.png', face=1, box=None, quality=None)

# %% Shard
scale.encode_all(pictures, "encodings", encoder)
shard = scale.Collection("encodings").shards[0]
shard.check()  # nothing is raised: it is whole
shard.encodings.shape, shard.pictures[0]["faces"]  # → ((4, 128), 1)

# %% ShardGallery
scale.encode_all(pictures, "encodings", encoder)
gallery = scale.ShardGallery(scale.Collection("encodings"), encoder, threshold=0.7)
gallery.identify(visitor).name  # → 'Bo'
gallery.people  # → {'Ada': 2, 'Bo': 2}

# %% Summary
done = scale.encode_all(pictures, "encodings", encoder)
done.faces, done.broken  # → (4, 0)

# %% connected
with scale.connected(workers=1) as client:  # or connected("tcp://head:8786")
    done = scale.encode_all(pictures, "encodings", encoder, client=client)
done.faces  # → 4

# %% encode_all
scale.encode_all(pictures, "encodings", encoder, per_shard=3)  # → Summary(shards=2, pictures=4, faces=4, broken=0)
scale.encode_all(pictures, "encodings", encoder, per_shard=3).shards  # a second run has nothing left to do  # → 2
