"""Faces: detecting and encoding them, training encoders, comparing encodings, and galleries of known people."""

from minicnn.errors import suggest_names
from minicnn.faces.calibration import Calibration, calibrate
from minicnn.faces.centres import CentreLoss, centre_loss
from minicnn.faces.clusters import cluster
from minicnn.faces.collapse import CollapseMonitor, CollapseWarning
from minicnn.faces.detection import Detection, detect
from minicnn.faces.distances import distance, is_same
from minicnn.faces.encoding import encode
from minicnn.faces.evaluation import PairEvaluation, evaluate_pairs
from minicnn.faces.gallery import Gallery
from minicnn.faces.heads import IdentityClassifier, PairHead
from minicnn.faces.hiding import everybody, hide
from minicnn.faces.losses import active_fraction, batch_triplet_loss, contrastive_loss, triplet_loss
from minicnn.faces.mining import mine_triplets
from minicnn.faces.nearness import Nearness, why_near
from minicnn.faces.quality import Quality
from minicnn.faces.results import Enrolment, Identification, Match, Verification
from minicnn.faces.safety import SAFETY
from minicnn.faces.sampling import PeopleSampler
from minicnn.faces.snapshots import Face, find

__all__ = [
    "SAFETY",
    "Calibration",
    "CentreLoss",
    "CollapseMonitor",
    "CollapseWarning",
    "Detection",
    "Enrolment",
    "Face",
    "Gallery",
    "Identification",
    "IdentityClassifier",
    "Match",
    "Nearness",
    "PairEvaluation",
    "PairHead",
    "PeopleSampler",
    "Quality",
    "Verification",
    "active_fraction",
    "batch_triplet_loss",
    "calibrate",
    "centre_loss",
    "cluster",
    "contrastive_loss",
    "detect",
    "distance",
    "encode",
    "evaluate_pairs",
    "everybody",
    "find",
    "hide",
    "is_same",
    "mine_triplets",
    "triplet_loss",
    "why_near",
]

suggest_names(__name__, __all__)
