"""Images a second through each encoder, on random tensors in memory: no data, no views, no objective.

    OMP_NUM_THREADS=1 python benchmarks/encoders.py [--batch 128] [--rounds 3] [--size 32] [--device cuda]

Forward, and forward with backward, in float32 and under bfloat16 autocast; and with the weights of convolutions laid
plane by plane instead of channels-last, as the encoders have them. On the CPU the seconds are CPU time of this process,
over its threads; on a GPU wall time between synchronizations.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

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
LAYOUTS = {"float32": (None, True), "bfloat16": (torch.bfloat16, True), "bfloat16, planes": (torch.bfloat16, False)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    images = torch.randint(0, 256, (options.batch, options.size, options.size, 3), dtype=torch.uint8, device=device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__},")
    print(f"batch {options.batch}, {options.size} px, medians of {options.rounds}\n")
    print("| encoder | parameters | precision | forward, images/s | forward and backward |\n|---|---|---|---|---|")
    for title, make in ENCODERS.items():
        for precision, (dtype, channels_last) in LAYOUTS.items():
            torch.manual_seed(0)
            encoder = make(options.size).to(device).train()
            if not channels_last:
                _lay_by_planes(encoder)

            def forward(encoder: Encoder = encoder, dtype: torch.dtype | None = dtype) -> None:
                with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype is not None):
                    encoder(images)

            def both(encoder: Encoder = encoder, dtype: torch.dtype | None = dtype) -> None:
                with torch.autocast(device.type, dtype, enabled=dtype is not None):
                    seen = encoder(images)
                (seen.mean.sum() + seen.local.float().sum()).backward()

            rates = [options.batch / median(task, options.rounds, device) for task in (forward, both)]
            parameters = sum(weight.numel() for weight in encoder.parameters())
            print(f"| {title} | {parameters / 1e6:.2f} M | {precision} | {rates[0]:.0f} | {rates[1]:.0f} |", flush=True)


def median(task: Callable[[], None], rounds: int, device: torch.device) -> float:
    """Seconds of a task, after one to warm up."""
    seconds = []
    for _ in range(rounds + 1):
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        start = clock()
        task()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append((clock() - start) / (1 if device.type == "cuda" else torch.get_num_threads()))
    return statistics.median(seconds[1:])


def _lay_by_planes(encoder: Encoder) -> None:
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.contiguous_format)


if __name__ == "__main__":
    main()
