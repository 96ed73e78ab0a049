"""Examples of minicnn.scale. A value after → is what the line gives, and a test compares them."""

from pathlib import Path
from minicnn import images, models, scale
from minicnn.datasets.synthetic_faces import Circumstances, Population

people, encoder = Population(size=64), models.tiny_facenet()
for name, person in {"Ada": 1003, "Grace": 1007}.items():
    Path("album", name).mkdir(parents=True)
    images.save(f"album/{name}/1.png", people.portrait(person, Circumstances()).image)
pictures = ["album/Ada/1.png", "album/Grace/1.png"]
Path("shards").mkdir()

# %% Collection
scale.encode_all(pictures, "shards", encoder, per_shard=1)
collection = scale.Collection("shards")
len(collection)  # → 2

# %% Hit
scale.encode_all(pictures, "shards", encoder)
scale.Collection("shards").hit(1).picture  # → 'album/Grace/1.png'

# %% Shard
scale.encode_all(pictures, "shards", encoder)
shard = scale.Collection("shards").shards[0]
shard.encodings.shape  # → (2, 128)

# %% ShardGallery
scale.encode_all(pictures, "shards", encoder)
gallery = scale.ShardGallery(scale.Collection("shards"), encoder, threshold=0.7)
gallery.identify(people.picture(1003, 1).image).name  # → 'Ada'

# %% Summary
scale.encode_all(pictures, "shards", encoder, per_shard=1)  # → Summary(shards=2, pictures=2, faces=2, broken=0)

# %% connected
with scale.connected(workers=1) as client:  # one new process; an address connects to a cluster
    scale.encode_all(pictures, "shards", encoder, client=client).faces  # → 2

# %% encode_all
scale.encode_all(pictures, "shards", encoder).faces  # → 2
