"""A pretrained net, frozen: pixels in, features out. The only form in which the rest of the package meets one."""

from dataclasses import replace
from typing import final

import torch
from jaxtyping import Num
from torch import Tensor, nn

from infomax.devices import autocast
from infomax.errors import InfoMaxError
from infomax.representation.backbones.description import NetDescription, OpenedNet
from infomax.representation.backbones.outputs import Features, features_of
from infomax.representation.encoders.representation import use_channels_last

PHOTOS_AT_ONCE = {"cpu": 16, "cuda": 128}  # on a CPU the maps of a few images stay in its caches


@final
class FrozenNet(nn.Module):
    """A pretrained net that is not trained any more, with its normalization.

    Args:
        description: What it is.
        net: The net; its weights take no gradients.

    """

    def __init__(self, description: NetDescription, net: nn.Module) -> None:
        super().__init__()
        self.description, self.net = description, net.eval().requires_grad_(False)
        use_channels_last(self.net)

    def train(self, mode: bool = True) -> "FrozenNet":  # noqa: ARG002
        """Stay as it is: dropout and batch norms of a frozen net do not train.

        Args:
            mode: Ignored.

        Returns:
            The net itself.

        """
        return super().train(False)

    def forward(self, images: Num[Tensor, "n h w 3"], *, exact: bool = False) -> Features:
        """Compute the features of images.

        Args:
            images: Values 0..255, of a side that the net takes.
            exact: Whether to compute in float32 also where bfloat16 is faster.

        Returns:
            The features, in float32.

        """
        planes = images.permute(0, 3, 1, 2).float()
        mean, std = (planes.new_tensor(each)[:, None, None] for each in (self.description.mean, self.description.std))
        with autocast(planes.device, enabled=not exact):
            output = self.net((planes - mean) / std)
        return features_of(output, self.description.prefix_tokens)

    def summaries(self, images: Num[Tensor, "n h w 3"]) -> Tensor:
        """Compute the summaries of a large batch, a few images at a time.

        Args:
            images: Values 0..255.

        Returns:
            The summary of each image (n, numbers).

        """
        return torch.cat([self(part).summary for part in torch.split(images, PHOTOS_AT_ONCE[images.device.type])])


def probed(opened: OpenedNet, size: int) -> FrozenNet:
    """Freeze a net, and run it once to see that it takes images of a size, and how many numbers it gives.

    Args:
        opened: A net with its weights.
        size: Side of the images, in pixels.

    Returns:
        The frozen net, whose description says its numbers.

    Raises:
        InfoMaxError: The net does not take images of that size, or gives no features.

    """
    own = opened.description.size
    frozen = FrozenNet(opened.description, opened.net)
    try:
        with torch.inference_mode():
            features = frozen(torch.zeros(1, size, size, 3))
    except InfoMaxError:
        raise
    except Exception as error:  # each library has errors of its own
        reason = " ".join(str(error).split())[:200]
        raise InfoMaxError(
            f"backbone {opened.description.title} does not take images of {size} px ({reason}): use size={own}, its own"
        ) from None
    numbers, channels = features.summary.shape[1], features.local.shape[2]
    return FrozenNet(replace(opened.description, size=size, numbers=numbers, channels=channels), opened.net)
