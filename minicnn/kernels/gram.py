"""The Gram matrix: the products of all pairs of channels, summed over positions.

    G[n] = F[n]ᵀ F[n],  undivided                     Source: Gatys et al. 2015, eq. 3
    dF[n] = F[n] (dG[n] + dG[n]ᵀ)

Shapes: features F (N, P, C), with P positions; G and dG (N, C, C).
"""

import numpy as np

from minicnn.kernels.contract import contract, form


@contract(lambda features: form(features, (len(features), features.shape[-1], features.shape[-1])))
def gram(features):
    """Return G (N, C, C)."""
    return np.swapaxes(features, 1, 2) @ features


@contract(lambda dgram, features, total: form(features), adds=True)
def gram_gradient(dgram, features, total):
    """Return dF (N, P, C), added in place to `total` of the same shape unless that is None."""
    dfeatures = features @ (dgram + np.swapaxes(dgram, 1, 2))
    return dfeatures if total is None else np.add(total, dfeatures, out=total)
