"""Objectives: what a representation should be good at, in nats, larger is better. Objectives add and multiply.

Su (2018), eq. 14, is a weighted sum of three of them:

Examples:
    >>> import torch
    >>> from infomax.information import Concatenated, GaussianPrior
    >>> from infomax.representation.encoders import ConvolutionalEncoder
    >>> from infomax.representation.objectives import GlobalInfo, LocalInfo, PriorMatching
    >>> _ = torch.manual_seed(0)
    >>> encoder = ConvolutionalEncoder(size=16, blocks=(4, 8), dim=6)
    >>> images = torch.randint(0, 256, (10, 16, 16, 3), dtype=torch.uint8)
    >>> representation = encoder(images)
    >>> code = representation.sample()
    >>> objective = (
    ...     0.5 * GlobalInfo(Concatenated(6, 6, 16))
    ...     + 1.5 * LocalInfo(Concatenated(6, 8, 16))
    ...     + 0.01 * PriorMatching(GaussianPrior())
    ... )
    >>> value = objective(representation, code)
    >>> list(value.terms)
    ['global', 'local', 'prior']
    >>> weighted = 0.5 * value.terms["global"] + 1.5 * value.terms["local"] + 0.01 * value.terms["prior"]
    >>> torch.allclose(value.total, weighted)
    True

"""

from infomax.representation.objectives.base import EncodedView, Objective, Scores, Sum, Value, Weighted
from infomax.representation.objectives.cross_view import CrossViewInfo
from infomax.representation.objectives.lejepa import LeJepa
from infomax.representation.objectives.noisy import ThroughNoise
from infomax.representation.objectives.prior import PriorMatching
from infomax.representation.objectives.single_view import CrossPositionInfo, GlobalInfo, GlobalTarget, LocalInfo
from infomax.representation.objectives.taught import TaughtBy

__all__ = [
    "CrossPositionInfo",
    "CrossViewInfo",
    "EncodedView",
    "GlobalInfo",
    "GlobalTarget",
    "LeJepa",
    "LocalInfo",
    "Objective",
    "PriorMatching",
    "Scores",
    "Sum",
    "TaughtBy",
    "ThroughNoise",
    "Value",
    "Weighted",
]
