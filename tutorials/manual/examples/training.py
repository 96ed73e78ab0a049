"""Examples of minicnn.training. A value after → is what the line gives, and a test compares them."""

from pathlib import Path
import numpy as np
from minicnn import nn, optim, training

random = np.random.default_rng(0)
pictures, labels = random.integers(0, 256, (8, 8, 8, 3)).astype(np.uint8), np.arange(8) % 2
model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2, seed=0, name="predictions"))

# %% TrainingPlan
training.TrainingPlan(cycles=((2, 0.05),), batch_size=4).momentum  # → 0.9

# %% accuracy
0 <= training.accuracy(model, pictures, labels) <= 1  # → True

# %% augment
training.augment(pictures, 2, random).shape  # → (8, 8, 8, 3)

# %% rising_and_falling
[round(training.rising_and_falling(step, 4, 0.5), 2) for step in range(4)]  # → [0.5, 1.0, 1.0, 0.5]

# %% train_classifier
plan = training.TrainingPlan(cycles=((2, 0.05),), batch_size=4, warm_up=0.5)
training.train_classifier(model, pictures, labels, plan, checkpoint=Path("model.checkpoint"), progress=False)
training.accuracy(model, pictures, labels) > 0.4  # → True

# %% save_checkpoint
plan, optimizer = training.TrainingPlan(), optim.SGD(model.parameters(), lr=0.1)
training.save_checkpoint(Path("by_hand.checkpoint"), model, optimizer, plan, 0)
