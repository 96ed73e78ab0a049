"""Examples of minicnn.training. A value after → is what the line gives, and a test compares them."""

from pathlib import Path
import numpy as np
from minicnn import Tensor, nn, ops, optim, training

random = np.random.default_rng(0)
pictures, labels = random.integers(0, 256, (8, 8, 8, 3)).astype(np.uint8), np.arange(8) % 2
model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2, seed=0, name="predictions"))


# %% Step
def step(number):
    return training.Step(ops.cross_entropy(model(pictures / 255.0), labels), rate=0.05, title="training", shown={})


step(0).loss.shape  # → ()

# %% TrainingPlan
training.TrainingPlan(cycles=((2, 0.05),), batch_size=4).momentum  # → 0.9

# %% accuracy
0 <= training.accuracy(model, pictures, labels) <= 1  # → True

# %% augment
training.augment(pictures, 2, random).shape  # → (8, 8, 8, 3)

# %% rising_and_falling
[round(training.rising_and_falling(step, 4, 0.5), 2) for step in range(4)]  # → [0.5, 1.0, 1.0, 0.5]

# %% save_checkpoint
plan, optimizer = training.TrainingPlan(), optim.SGD(model.parameters(), lr=0.1)
training.save_checkpoint(Path("by_hand.checkpoint"), model, optimizer, plan, 0)

# %% take_steps
plan, optimizer = training.TrainingPlan(), optim.SGD(model.parameters(), lr=0.05)


def step(number):
    loss = ops.cross_entropy(model(Tensor(pictures / np.float32(255))), labels)
    return training.Step(loss, plan.rate(number, 1), "training", {})


training.take_steps(model, optimizer, step, 2, plan, checkpoint=Path("steps.checkpoint"), progress=False)
Path("steps.checkpoint").exists()  # → True

# %% train_classifier
plan = training.TrainingPlan(cycles=((2, 0.05),), batch_size=4, warm_up=0.5)
training.train_classifier(model, pictures, labels, plan, checkpoint=Path("model.checkpoint"), progress=False)
training.accuracy(model, pictures, labels) > 0.4  # → True
