"""Examples of minicnn.zoo. A value after → is what the line gives, and a test compares them."""

from minicnn import zoo

# %% Weights
zoo.find("tiny_vgg").licence  # → 'MIT'

# %% catalog
"tiny_vgg" in [row.name for row in zoo.catalog()]  # → True

# %% fetch
zoo.fetch("tiny_vgg").name  # shipped, so nothing is downloaded  # → 'tiny_vgg.h5'

# %% find
zoo.find("tiny_facenet").model  # → 'tiny_facenet'

# %% folders
zoo.folders()[-1].name  # → 'weights'

# %% here
zoo.here(zoo.find("tiny_vgg")).name  # → 'tiny_vgg.h5'

# %% identify
row = zoo.find("tiny_vgg")
zoo.identify(zoo.path("tiny_vgg"), row.sha256).name  # → 'tiny_vgg'

# %% locate
zoo.locate("tiny_vgg").name  # → 'tiny_vgg.h5'

# %% packages
zoo.packages.find(zoo.find("tiny_vgg")) is None  # it is shipped, in no other package  # → True

# %% path
zoo.path("tiny_facenet").name  # → 'tiny_facenet.h5'

# %% ways
zoo.ways(zoo.find("squeezenet"))  # → 'minicnn weights fetch squeezenet'
