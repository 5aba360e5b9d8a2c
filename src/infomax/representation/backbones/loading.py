"""Weights into a net whose classifier may be missing."""

from collections.abc import Mapping

from torch import Tensor, nn

from infomax.errors import InfoMaxError


def load_weights(net: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Load the weights of a net; what the file has beyond them, such as a classifier, is left out.

    Args:
        net: Takes the weights.
        tensors: The content of a file of weights.
        name: Of the net, for messages.

    Raises:
        InfoMaxError: A weight of the net is missing in the file or has another shape.

    """
    own = net.state_dict()
    missing = [key for key in own if key not in tensors and not key.endswith("num_batches_tracked")]
    if missing:
        raise InfoMaxError(
            f"backbone {name}: the weights lack {missing[0]} and {len(missing) - 1} others of its {len(own)}: "
            "give the file of this net"
        )
    for key, tensor in own.items():
        if key in tensors and tensors[key].shape != tensor.shape:
            raise InfoMaxError(
                f"backbone {name}: {key} is {tuple(tensors[key].shape)} in the weights and {tuple(tensor.shape)} in "
                "the net: give the file of this net"
            )
    net.load_state_dict({key: tensors.get(key, tensor) for key, tensor in own.items()})
