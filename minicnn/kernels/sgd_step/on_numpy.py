"""A step of gradient descent as its formulas: the definition."""


def move(p, gradient, v, rate, momentum, decay, nesterov):
    g = gradient + decay * p
    v *= momentum
    v += g
    p -= rate * (g + momentum * v if nesterov else v)
