"""Examples of minicnn.faces. A value after → is what the line gives, and a test compares them."""

import warnings
from pathlib import Path
import matplotlib
import numpy as np
from minicnn import faces, images, models
from minicnn.datasets.synthetic_faces import Circumstances, Population

photograph = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")

encodings = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]], np.float32)  # two people, two pictures each
labels = np.array([0, 0, 1, 1])

# %% Calibration
calibration = faces.calibrate([0.1, 0.3, 0.9, 1.2], [True, True, False, False], target_far=0.5)
calibration.accuracy  # → 0.75

# %% CentreLoss
centres = faces.CentreLoss(people=2, dimensions=2)
loss = centres(encodings, labels)
centres.update(encodings, labels)  # after backward
loss.item() > centres(encodings, labels).item()  # → True

# %% CollapseMonitor
monitor = faces.CollapseMonitor(margin=0.2, patience=50)
monitor.update(0.1, encodings, active_fraction=0.4)  # loss, embeddings and active triplets of a step  # → False

# %% CollapseWarning
with warnings.catch_warnings():
    warnings.simplefilter("error", faces.CollapseWarning)  # stop the training
    faces.CollapseMonitor().update(0.1, encodings, active_fraction=0.4)  # → False

# %% Detection
found = faces.detect(images.load(photograph))
found.boxes.shape, found.landmarks.shape  # → ((1, 4), (1, 5, 2))

# %% Enrolment
people = Population(size=64)
gallery = faces.Gallery(models.tiny_facenet(), threshold=0.7)
picture = people.portrait(1003, Circumstances()).image
enrolment = gallery.enroll("Ada", [picture, picture])
enrolment.added, enrolment.duplicates  # → ((0,), (1,))

# %% Face
face = faces.find(photograph)[0]
face.number, face.among, bool(face.quality.problem)  # → (1, 1, False)

# %% Gallery
people = Population(size=64)
gallery = faces.Gallery(models.tiny_facenet(), threshold=0.7)  # knows drawn faces, and those only
gallery.enroll("Ada", people.portrait(1003, Circumstances()).image).added  # → (0,)
gallery.identify(people.picture(1003, 1).image).name  # → 'Ada'
gallery.verify("Ada", people.picture(1011, 1).image).same  # → False
gallery.save("people.h5")
len(faces.Gallery.load("people.h5", models.tiny_facenet()))  # → 1

# %% Identification
people = Population(size=64)
gallery = faces.Gallery(models.tiny_facenet(), threshold=0.7)
gallery.enroll("Ada", people.portrait(1003, Circumstances()).image)
stranger = gallery.identify(people.picture(1011, 1).image)
stranger.name, stranger.nearest  # → (None, 'Ada')

# %% IdentityClassifier
faces.IdentityClassifier(2, 10, seed=0)(encodings).shape  # → (4, 10)

# %% Match
people = Population(size=64)
gallery = faces.Gallery(models.tiny_facenet(), threshold=0.7)
gallery.enroll("Ada", people.portrait(1003, Circumstances()).image)
gallery.identify(people.picture(1003, 1).image).matches[0].name  # → 'Ada'

# %% Nearness
people = Population(size=64)
three = [people.picture(person, number).image for person, number in ((1003, 1), (1003, 2), (1011, 1))]
maps = faces.why_near(models.tiny_facenet(), *three)
maps.gradients.shape, maps.occlusions.shape  # → ((3, 64, 64), (3, 64, 64))

# %% PairEvaluation
result = faces.evaluate_pairs([0.1, 0.3, 0.9, 1.2], [True, True, False, False], folds=2)
result.fold_accuracies  # → (1.0, 1.0)

# %% PairHead
faces.PairHead("l1", dimensions=2)(encodings[:1], encodings[1:2]).shape  # → (1,)

# %% PeopleSampler
sampler = faces.PeopleSampler(labels, people=2, pictures=2, seed=0)
sorted(sampler.batch(0).tolist())  # → [0, 1, 2, 3]

# %% Quality
quality = faces.find(photograph)[0].quality
quality.eyes > 20, quality.problem  # pixels between the eyes, and the reason against a verdict  # → (True, '')

# %% SAFETY
print(faces.SAFETY)

# %% Track
gallery = faces.Gallery(models.tiny_facenet(), threshold=0.7)
gallery.enroll("Grace", photograph)
track = faces.follow([images.load(photograph)] * 2, gallery)[0]
track.first, track.last, track.frames  # → ('1', '2', 2)

# %% Verification
people = Population(size=64)
gallery = faces.Gallery(models.tiny_facenet(), threshold=0.7)
gallery.enroll("Ada", people.portrait(1003, Circumstances()).image)
found = gallery.verify("Ada", people.picture(1003, 1).image)
found.same, found.distance <= found.threshold  # → (True, True)

# %% active_fraction
faces.active_fraction(encodings, [[0, 1, 2]], margin=0.2)  # → 0.0

# %% batch_triplet_loss
faces.batch_triplet_loss(encodings, [[0, 1, 2], [0, 1, 3]], margin=0.2).item() >= 0  # → True

# %% calibrate
faces.calibrate([0.1, 0.3, 0.9, 1.2], [True, True, False, False], target_far=0.5).rule  # → 'far'

# %% centre_loss
faces.centre_loss(encodings, labels, np.array([[1.0, 0.0], [0.0, 1.0]])).shape  # → ()

# %% cluster
faces.cluster(encodings, threshold=0.5).tolist()  # → [-1, 0, -1, 0]

# %% contrastive_loss
faces.contrastive_loss(encodings[:1], encodings[1:2], [True]).shape  # → ()

# %% detect
len(faces.detect(images.load(photograph)).boxes)  # → 1

# %% distance
faces.distance([1.0, 0.0], [0.0, 1.0])  # squared, as the cards of the encoders say  # → np.float64(2.0)

# %% encode
faces.encode(models.tiny_facenet(), np.zeros((2, 64, 64, 3), np.float32)).shape  # → (2, 128)

# %% evaluate_pairs
found = faces.evaluate_pairs([0.1, 0.3, 0.9, 1.2], [True, True, False, False], folds=2)
found.accuracy, found.auc  # → (1.0, 1.0)

# %% everybody
len(faces.everybody(photograph)) >= 1  # also uncertain faces, in any orientation  # → True

# %% find
[face.score > 0.9 for face in faces.find(photograph)]  # → [True]

# %% follow
gallery = faces.Gallery(models.tiny_facenet(), threshold=0.7)
gallery.enroll("Grace", photograph)
[track.verdict.name for track in faces.follow([photograph, photograph], gallery)]  # → ['Grace']

# %% hide
hidden = faces.hide(images.load(photograph))
images.save("hidden.png", hidden)

# %% is_same
bool(faces.is_same(0.7, 0.7))  # → True

# %% mine_triplets
faces.mine_triplets(encodings, labels, strategy="batch-hard").tolist()  # → [[0, 1, 3], [1, 0, 3], [2, 3, 1], [3, 2, 1]]

# %% triplet_loss
faces.triplet_loss(encodings[:1], encodings[1:2], encodings[2:3], margin=0.2).item()  # → 0.0

# %% why_near
people = Population(size=64)
three = [people.picture(person, number).image for person, number in ((1003, 1), (1003, 2), (1011, 1))]
faces.why_near(models.tiny_facenet(), *three).distances.shape  # → (3,)
