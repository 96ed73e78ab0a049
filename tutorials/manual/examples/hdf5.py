"""Examples of minicnn.hdf5. A value after → is what the line gives, and a test compares them."""

import hashlib
from pathlib import Path
import numpy as np
from minicnn import hdf5, nn, zoo

model = nn.Sequential(nn.Linear(3, 2, name="predictions"))
hdf5.save(model, "model.h5")

# %% LoadReport
hdf5.load(model, "model.h5").loaded  # → ('predictions.w', 'predictions.b')

# %% Row
hdf5.inspect("model.h5")[0].shape  # → (2,)

# %% Summary
hdf5.summary("model.h5").parameters  # → 8

# %% accept
hdf5.accept(b"MINE", lambda path: {"predictions/weights": np.ones((3, 2), np.float32)})  # reads a format of your own
Path("model.mine").write_bytes(b"MINE")
hdf5.inspect("model.mine")[0].name  # → 'predictions/weights'

# %% compare
other = nn.Sequential(nn.Linear(3, 4, name="predictions"))
hdf5.compare(other, "model.h5").mismatched[0]  # → 'predictions.b ((2,) in the file, (4,) in the model)'

# %% inspect
[row.name for row in hdf5.inspect("model.h5")]  # → ['predictions.b', 'predictions.w']

# %% load
report = hdf5.load(model, "model.h5")
report.missing, report.unexpected  # → ((), ())

# %% save
hdf5.save(model, "for_keras.weights.h5", layout="keras3")

# %% summary
hdf5.summary(zoo.path("tiny_vgg")).layout  # → 'minicnn'

# %% trust
checksum = hashlib.sha256(Path("model.h5").read_bytes()).hexdigest()
hdf5.trust([checksum])  # from now on, this file is read in this process
