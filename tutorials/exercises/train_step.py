"""Exercise: one step of style transfer."""

import numpy as np

from minicnn import nn, ops, optim
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import Unfit, comparable, told
from minicnn.nn import frozen
from minicnn.tensor import Tensor


def train_step(generated_image, model, cost, optimizer):
    """One step downhill. Nothing is trained but the picture: the network only looks.

    1. Forget the gradient of the step before: optimizer.zero_grad().
    2. J = cost(model(generated_image)).
    3. The gradient of J flows back to the *pixels*. The network's weights want none: inside `with frozen(model):`
       none is computed for them.
    4. optimizer.step() moves the pixels.
    5. Bring every pixel back into [0, 1].

    generated_image: the picture, a Tensor (1, H, W, 3) that requires a gradient; its values are .data, an array, and
        they are what this function changes.
    model: model(image) gives features. cost: cost(features) gives J, a Tensor with a single number.
    optimizer: optim.Adam([generated_image], …).

    Return J as it was before the step.
    """
    optimizer.zero_grad()
    with frozen(model):
        J = cost(model(generated_image))
        J.backward()
    optimizer.step()
    generated_image.data = np.clip(generated_image.data, 0, 1)
    return J


STEPS, RATE = 3, 0.08


def _drawn(seed):
    """A picture with pixels at both ends of [0, 1], filters of 1×1, and features to come near to."""
    random = np.random.default_rng(seed)
    image = np.clip(random.normal(0.5, 0.5, (1, 3, 4, 3)), 0, 1)
    return image, random.standard_normal((1, 1, 3, 4)), 3 * random.random((1, 3, 4, 4))


def _by_numpy(seed):
    """The same steps without minicnn: the gradient by hand, and Adam as in the paper. (costs, picture)"""
    image, filters, target = _drawn(seed)
    w = filters[0, 0]
    mean, square, costs = np.zeros_like(image), np.zeros_like(image), []
    for step in range(1, STEPS + 1):
        features = np.maximum(image @ w, 0)
        costs.append(np.square(features - target).sum())
        gradient = (2 * (features - target) * (features > 0)) @ w.T
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        move = mean / (1 - 0.9**step) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        image = np.clip(image - RATE * move, 0, 1)
    return np.array(costs), image


def _case(title, seed):
    def arguments():
        image, filters, target = _drawn(seed)
        picture = Tensor(image, requires_grad=True)
        layer = nn.Conv2d(3, 4, 1, bias=False, activation="relu")
        layer.w = Tensor(filters, requires_grad=True)
        optimizer = optim.Adam([picture], learning_rate=RATE)
        return picture, nn.Sequential(layer), lambda features: ops.sum(ops.square(features - Tensor(target))), optimizer

    costs, picture = _by_numpy(seed)
    return Case(title, arguments, {"J of three steps": costs, "the picture after them": picture}, tolerance=1e-6)


def _observed(function, arguments):
    picture, model, *_ = arguments
    (weights,) = model.parameters()
    before, costs, wanted = weights.data.copy(), [], False
    for _ in range(STEPS):
        J = function(*arguments)
        value = comparable(J, "J")
        if not isinstance(value, np.ndarray) or value.size != 1:
            raise Unfit(f"expected J, a Tensor with a single number, got {told(J)}")
        costs.append(value.item())
        wanted |= weights.grad is not None
    if not np.array_equal(weights.data, before):
        raise Unfit("it changes the network's weights; only the picture is to change")
    return {
        "J of three steps": np.array(costs),
        "the picture after them": comparable(picture, "generated_image"),
        "a gradient for the weights": wanted,
        "pixels outside of [0, 1]": bool((picture.data < 0).any() or (picture.data > 1).any()),
    }


def _variant(*, forget=True, freeze=True, ends=(0, 1), step=True, again=False, sign=1, clip_first=False):
    """train_step with something done otherwise."""

    def train_step(generated_image, model, cost, optimizer):
        if forget:
            optimizer.zero_grad()
        weights = model.parameters()
        for weight in weights:
            weight.requires_grad = not freeze
        J = cost(model(generated_image))
        (J * sign).backward()
        if clip_first:
            generated_image.data = np.clip(generated_image.data, *ends)
        if step:
            optimizer.step()
        if ends and not clip_first:
            generated_image.data = np.clip(generated_image.data, *ends)
        J = cost(model(generated_image)) if again else J
        for weight in weights:
            weight.requires_grad = True
        return J

    return train_step


EXERCISE = Exercise(
    function=train_step,
    title="one step downhill, and only the picture moves",
    lecture="Cost function",
    read="tutorials/03_style_transfer_by_hand.py",
    imports="import numpy as np\n\nfrom minicnn import frozen",
    observe=_observed,
    cases=(_case("three steps of a small picture", 0), _case("three steps of another one", 1)),
    slips=(
        Slip(
            "weights",
            "The picture may be right, but a gradient was computed for the network's weights as well. In a large "
            "network that is half of the work, for nothing.",
            _variant(freeze=False),
        ),
        Slip(
            "no clip",
            "When you return, some pixels of generated_image are blacker than black or whiter than white. If you did "
            "clip: did that change the picture itself, or make another one?",
            _variant(ends=None),
        ),
        Slip(
            "clipped before the step",
            "You bring the pixels back to [0, 1], and then one more step moves them out again.",
            _variant(clip_first=True),
        ),
        Slip(
            "gradients pile up",
            "The first step is right, the next ones are not: each adds its gradient to that of the steps before.",
            _variant(forget=False),
        ),
        Slip(
            "cost after the step",
            "You return the cost of the picture after the step. A curve of these would miss where it began.",
            _variant(again=True),
        ),
        Slip(
            "uphill",
            "Your cost rises. The optimizer goes down by itself; whose sign did you turn?",
            _variant(sign=-1),
        ),
        Slip(
            "no step",
            "The cost is right, and then nothing moves: the picture is still where it began.",
            _variant(step=False),
        ),
        Slip(
            "clipped to 255",
            "Here a picture's values reach from 0 to 1. Where do you cut off?",
            _variant(ends=(0, 255)),
        ),
    ),
    hints=(
        "In training, the pictures are given and the weights move. Here it is the other way round. Which of the five "
        "steps of the task keeps the weights where they are, and why does it matter that they want no gradient?",
        "J.backward() adds to the .grad of all that wants one, so it belongs inside `with frozen(model):`, as does the "
        "forward. Then optimizer.step(), and then np.clip on generated_image.data.",
        "optimizer.zero_grad(); with frozen(model): J = cost(model(generated_image)); J.backward(). Behind the block "
        "optimizer.step() and generated_image.data = np.clip(generated_image.data, 0, 1); return J.",
    ),
)
