"""Images per second of each encoder on random tensors in memory: no data, no augmentation, no objective.

    OMP_NUM_THREADS=1 python benchmarks/encoders.py [--batch 128] [--rounds 3] [--size 32] [--device cuda]

It measures forward, and forward with backward, in float32 and in bfloat16 autocast; and bfloat16 with convolution
weights in the channels-first layout instead of channels-last, which the encoders use. On a CPU the time is CPU time
divided by threads; on a GPU it is wall time between synchronizations.
"""

import statistics
from collections.abc import Callable

import torch
from torch import nn

from _common import argument_parser, machine, seconds_of, table_head, table_row
from infomax.representation.encoders import (
    ConvolutionalEncoder,
    Encoder,
    MultiscaleEncoder,
    ResNet18,
    VisionTransformer,
    WhitenedEncoder,
)

ENCODERS: dict[str, Callable[[int], Encoder]] = {
    "convolutional (dim-cifar10)": lambda size: ConvolutionalEncoder(size, (64, 128, 256)),
    "whitened": lambda _: WhitenedEncoder(),
    "multiscale": lambda _: MultiscaleEncoder(),
    "vit": lambda _: VisionTransformer(),
    "resnet18": lambda _: ResNet18(),
}
LAYOUTS = {
    "float32": (None, True),
    "bfloat16": (torch.bfloat16, True),
    "bfloat16, channels first": (torch.bfloat16, False),
}


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    images = torch.randint(0, 256, (options.batch, options.size, options.size, 3), dtype=torch.uint8, device=device)
    print(f"{machine(device)},\nbatch {options.batch}, {options.size} px, medians of {options.rounds} rounds\n")
    print(table_head(["encoder", "parameters", "precision", "forward, images/s", "forward and backward"]))
    for title, make in ENCODERS.items():
        for precision, (dtype, channels_last) in LAYOUTS.items():
            torch.manual_seed(0)
            encoder = make(options.size).to(device).train()
            if not channels_last:
                _channels_first(encoder)

            def forward(encoder: Encoder = encoder, dtype: torch.dtype | None = dtype) -> None:
                with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype is not None):
                    encoder(images)

            def both(encoder: Encoder = encoder, dtype: torch.dtype | None = dtype) -> None:
                with torch.autocast(device.type, dtype, enabled=dtype is not None):
                    seen = encoder(images)
                (seen.mean.sum() + seen.local.float().sum()).backward()

            rates = [options.batch / median(task, options.rounds, device) for task in (forward, both)]
            parameters = sum(weight.numel() for weight in encoder.parameters())
            cells = [title, f"{parameters / 1e6:.2f} M", precision, *(f"{rate:.0f}" for rate in rates)]
            print(table_row(cells), flush=True)


def median(task: Callable[[], None], rounds: int, device: torch.device) -> float:
    """Median seconds of a task, after one run of warm-up."""
    return statistics.median([seconds_of(task, device) for _ in range(rounds + 1)][1:])


def _channels_first(encoder: Encoder) -> None:
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.contiguous_format)


if __name__ == "__main__":
    main()
