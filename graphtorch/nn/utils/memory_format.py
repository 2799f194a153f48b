"""Convolution weights in another order of memory."""

from __future__ import annotations

from typing import Any

from ..module import Module
from ..modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d


def _converted(module: Module, memory_format: Any, kinds: tuple[type, ...]) -> Module:
    for child in module.modules():
        if isinstance(child, kinds):
            child.weight.data = (
                child.weight.detach().clone().contiguous(memory_format=memory_format)
            )
    return module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Lay the weights of all `Conv2d` and `ConvTranspose2d` in a module out anew; returns the module."""
    return _converted(module, memory_format, (Conv2d, ConvTranspose2d))


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """Lay the weights of all `Conv3d` and `ConvTranspose3d` in a module out anew; returns the module."""
    return _converted(module, memory_format, (Conv3d, ConvTranspose3d))
