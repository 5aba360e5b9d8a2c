"""Pretrained nets as frozen features: one small protocol for timm, torchvision, transformers, ONNX and any module."""
