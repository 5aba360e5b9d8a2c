"""Encoders: map each input to a `Representation`, which has a code and a feature at every position.

One file for each. The recipe between views (recipes/multiview.py) names those that `--set network=NAME` can choose.
"""

from infomax.representation.encoders.convolutional import ConvolutionalEncoder
from infomax.representation.encoders.multiscale import MultiscaleEncoder
from infomax.representation.encoders.representation import Encoder, Grid, Representation
from infomax.representation.encoders.resnet import ResNet18
from infomax.representation.encoders.spectral import SpectralEncoder
from infomax.representation.encoders.timm import TimmEncoder
from infomax.representation.encoders.vit import VisionTransformer
from infomax.representation.encoders.whitened import WhitenedEncoder

__all__ = [
    "ConvolutionalEncoder",
    "Encoder",
    "Grid",
    "MultiscaleEncoder",
    "Representation",
    "ResNet18",
    "SpectralEncoder",
    "TimmEncoder",
    "VisionTransformer",
    "WhitenedEncoder",
]
