"""Losses for training an encoder of faces, on triplets and pairs.

Encodings are (N, D), preferably of unit length. Every loss is a scalar.

    triplet_loss        an anchor, a picture of the same person, and one of another
    batch_triplet_loss  the same for rows of one batch, with triplets from mine_triplets
    contrastive_loss    two pictures, of one person or of two

See also centre_loss, in centres.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.faces.arguments import as_array, as_floats, is_number
from minicnn.faces.distances import divided
from minicnn.operation import op
from minicnn.ops.arithmetic import quotient

REDUCTIONS = ("sum", "mean", "active", "none")


@op
def triplet_loss(anchor, positive, negative, *, margin=0.2, reduction="sum", squared=True):
    """Return [‖A − P‖² − ‖A − N‖² + margin]₊: an anchor must be nearer to its own person than to another, by a margin.

    anchor, positive, negative: (T, D), or (D,) for one triplet.
    margin: a number; 0 is satisfied by an encoder that maps everybody to one point. Or "soft", for ln(1 + eˣ) in place
    of [x + margin]₊, whose gradient never vanishes.
    reduction: "sum"; "mean" over all triplets; "active", the mean over those that are not zero; "none", shape (T,).
    squared: False for plain distances, whose gradient does not shrink with them; it is 0 at distance 0.

    Where active:  ∂L/∂A = 2(N − P),  ∂L/∂P = 2(P − A),  ∂L/∂N = 2(A − N).  They sum to zero.
    Raises InputError.
    Source: Schroff, Kalenichenko & Philbin 2015, equation 3; soft and unsquared: Hermans, Beyer & Leibe 2017.
    """
    shapes = [np.shape(array) for array in (anchor, positive, negative)]
    if len(set(shapes)) > 1 or not shapes[0] or not shapes[0][-1]:
        raise InputError(
            f"triplet_loss: anchor has shape {shapes[0]}, positive {shapes[1]}, negative {shapes[2]}; "
            "expected three of one shape, (T, D)"
        )
    anchor, positive, negative = (as_floats(array) for array in (anchor, positive, negative))
    to_positive, to_negative = anchor - positive, anchor - negative
    near, far = (np.square(difference).sum(axis=-1) for difference in (to_positive, to_negative))
    if not squared:
        near, far = np.sqrt(near), np.sqrt(far)
    loss, slope = _cost("triplet_loss", near - far, margin, reduction)

    def backward(dy):
        weight = devices.as_array(dy * slope)[..., None]
        pull = weight * (2 * to_positive if squared else divided(to_positive, near))
        push = weight * (2 * to_negative if squared else divided(to_negative, far))
        return pull - push, -pull, push

    return loss, backward


@op(inputs=1)
def batch_triplet_loss(embeddings, triplets, *, margin=0.2, reduction="sum", squared=True):
    """Return triplet_loss(e[a], e[p], e[n]) for all rows (a, p, n) of `triplets`, with the same options.

    embeddings e: (N, D). triplets: int (T, 3), as from mine_triplets; without any, the loss is 0.
    Encodings are not copied per triplet. The loss is a function of the (N, N) distances d of the batch. Its gradient is
    ∂L/∂eᵢ = Σⱼ (∂L/∂dᵢⱼ + ∂L/∂dⱼᵢ) · 2(eᵢ − eⱼ), or (eᵢ − eⱼ) / dᵢⱼ for plain distances. Raises InputError.
    """
    triplets = devices.beside(as_array(triplets), embeddings)
    count = _check_batch("batch_triplet_loss", embeddings, triplets)
    a, p, n = triplets.astype(np.int64).T
    kernels = kernels_for(embeddings)
    d = kernels.distances(embeddings, squared)
    loss, slope = _cost("batch_triplet_loss", d[a, p] - d[a, n], margin, reduction)

    def backward(dy):
        weight = dy * slope
        dd = np.bincount(a * count + p, weight, count * count) - np.bincount(a * count + n, weight, count * count)
        dd = dd.reshape(count, count)
        weights = 2 * (dd + dd.T) if squared else quotient(dd + dd.T, d)
        return kernels.pull(weights, embeddings)

    return devices.as_array(loss, embeddings.dtype), backward


@op(inputs=2)
def contrastive_loss(f, g, same, *, margin=1.0, reduction="sum"):
    """Return ½ d² for two pictures of one person, ½ [margin − d]₊² for two people; d = ‖f − g‖.

    f, g: (N, D). same: (N,) of 0 and 1, or booleans. margin: minimum distance between different people, ≥ 0.
    reduction: as in triplet_loss. At d = 0, the gradient for two people is 0, since it has no direction.

    One person: ∂L/∂f = f − g.  Two: ∂L/∂f = −(margin − d) (f − g) / d.  ∂L/∂g = −∂L/∂f.
    Raises InputError. Source: Hadsell, Chopra & LeCun 2006, equation 4.
    """
    same = devices.beside(as_array(same), f)
    if np.shape(f) != np.shape(g) or not np.shape(f) or same.shape != np.shape(f)[:-1]:
        raise InputError(
            f"contrastive_loss: f has shape {np.shape(f)}, g {np.shape(g)}, same {same.shape}; "
            "expected (N, D), (N, D) and (N,)"
        )
    if not ((same == 0) | (same == 1)).all():
        raise InputError("contrastive_loss: same holds other values than 0 and 1; expected 1 for pairs of one person")
    if not is_number(margin, least=0):
        raise InputError(f"contrastive_loss: margin is {margin!r}; expected a number of 0 or more")
    f, g, same = as_floats(f), as_floats(g), same.astype(bool)
    difference = f - g
    d = np.sqrt(np.square(difference).sum(axis=-1))
    excess = np.where(same, d, np.maximum(d.dtype.type(margin) - d, 0))  # distance from zero loss
    loss, share = _reduce("contrastive_loss", np.square(excess) / 2, reduction)

    def backward(dy):
        # The gradient of d² / 2 is f − g, without a kink at 0.
        slope = np.where(same[..., None], difference, -excess[..., None] * divided(difference, d))
        df = devices.as_array(dy * share)[..., None] * slope
        return df, -df

    return loss, backward


def active_fraction(embeddings: Any, triplets: Any, *, margin: float = 0.2, squared: bool = True) -> float:
    """Return the share of triplets with a nonzero hinge loss, 0 without any. Arguments as in batch_triplet_loss."""
    terms = batch_triplet_loss(as_array(embeddings), triplets, margin=margin, reduction="none", squared=squared).data
    return float(np.count_nonzero(terms) / max(terms.size, 1))


def _cost(name, gaps, margin, reduction):
    """Return the loss of triplets from gaps, distance to the positive minus to the negative, and its slope per gap."""
    if isinstance(margin, str) and margin == "soft":
        terms = np.logaddexp(gaps, gaps.dtype.type(0))
        slope = np.exp(-np.logaddexp(-gaps, gaps.dtype.type(0)))
    elif is_number(margin):
        terms = np.maximum(gaps + gaps.dtype.type(margin), 0)
        slope = (terms > 0).astype(gaps.dtype)
    else:
        raise InputError(f'{name}: margin is {margin!r}; expected a finite number or "soft"')
    loss, share = _reduce(name, terms, reduction)
    return loss, slope * share


def _reduce(name, terms, reduction):
    """Return the reduced terms, and the weight of each."""
    if reduction not in REDUCTIONS:
        raise InputError(f"{name}: reduction is {reduction!r}; expected one of {', '.join(REDUCTIONS)}")
    if reduction == "none":
        return terms, terms.dtype.type(1)
    count = {"sum": 1, "mean": terms.size, "active": int(np.count_nonzero(terms))}[reduction]
    share = terms.dtype.type(1 / max(count, 1))
    return terms.sum() * share, share


def _check_batch(name, embeddings, triplets):
    """Return the number of encodings. Raises InputError for invalid embeddings or triplets."""
    if embeddings.ndim != 2 or embeddings.dtype.kind != "f" or 0 in embeddings.shape:
        raise InputError(
            f"{name}: embeddings have shape {embeddings.shape} and dtype {embeddings.dtype}; expected floats (N, D)"
        )
    if triplets.ndim != 2 or triplets.shape[1] != 3 or triplets.dtype.kind not in "iu":
        raise InputError(
            f"{name}: triplets have shape {triplets.shape} and dtype {triplets.dtype}; expected integers (T, 3)"
        )
    count = len(embeddings)
    if triplets.size and not 0 <= triplets.min() <= triplets.max() < count:
        raise InputError(
            f"{name}: triplets name rows {triplets.min()} … {triplets.max()}; expected 0 … {count - 1}, the embeddings'"
        )
    return count
