"""Handles of hooks; see `nn/hooks.py`."""

from ..nn.hooks import RemovableHandle

__all__ = ["RemovableHandle"]
