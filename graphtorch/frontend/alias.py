"""`torch` resolved to graphtorch, for programs that say `import torch`."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from types import ModuleType
from typing import Any

from .. import absent


def _distribution() -> Any:
    """The installed package that programs look for under the name torch."""
    import pathlib
    from importlib.metadata import Distribution

    from graphtorch import __version__

    class TorchDistribution(Distribution):
        def read_text(self, filename: str) -> str | None:
            if filename != "METADATA":
                return None
            return f"Metadata-Version: 2.1\nName: torch\nVersion: {__version__}\n"

        def locate_file(self, path: Any) -> Any:
            return pathlib.Path(__file__).parents[2] / path

    return TorchDistribution()


def _home(name: str) -> str:
    """The module of this package that stands for `torch.x` or `functorch.x`."""
    return "graphtorch." + name if name.startswith("functorch") else "graph" + name


class _TorchFinder:
    """Resolves `torch` and `torch.x.y` to the graphtorch modules of the same path."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] not in ("torch", "functorch"):
            return None
        try:
            importlib.import_module(_home(name))
        except ModuleNotFoundError as error:
            if not (error.name and error.name.startswith("graphtorch")):
                raise
            known = absent.reason(name)
            if known is None:
                return None
            raise ModuleNotFoundError(
                f"No module named {name!r}: {known.text()}", name=name
            ) from None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def find_distributions(self, context: Any = None) -> Any:
        """What `importlib.metadata.version("torch")` reads."""
        return [_distribution()] if getattr(context, "name", None) == "torch" else []

    def create_module(self, spec: Any) -> ModuleType:
        return sys.modules[_home(spec.name)]

    def exec_module(self, module: ModuleType) -> None:
        pass


def install_as_torch() -> None:
    """Make `import torch` give graphtorch in this process, whether or not PyTorch is installed.

    Raises RuntimeError if PyTorch itself was imported before.

    >>> import graphtorch
    >>> graphtorch.install_as_torch()
    >>> import torch
    >>> torch is graphtorch
    True
    """
    import graphtorch

    known = sys.modules.get("torch")
    if known is graphtorch:
        return
    if known is not None:
        raise RuntimeError(
            "PyTorch is already imported in this process; call install_as_torch() before it"
        )
    sys.meta_path.insert(0, _TorchFinder())
    sys.modules["torch"] = graphtorch
