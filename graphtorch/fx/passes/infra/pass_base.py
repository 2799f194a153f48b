"""The base of a pass that says whether it changed anything."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

from ...graph_module import GraphModule


class PassResult(NamedTuple):
    """What a pass returns."""

    graph_module: GraphModule
    modified: bool


class PassBase(abc.ABC):
    """Override `call(graph_module)`, and `requires`/`ensures` to check before and after."""

    def __call__(self, graph_module: GraphModule) -> PassResult | None:
        self.requires(graph_module)
        result = self.call(graph_module)
        self.ensures(graph_module)
        return result

    @abc.abstractmethod
    def call(self, graph_module: GraphModule) -> PassResult | None:
        """Change the module in place."""

    def requires(self, graph_module: GraphModule) -> Any:  # noqa: B027
        """Checked before."""

    def ensures(self, graph_module: GraphModule) -> Any:  # noqa: B027
        """Checked after."""
