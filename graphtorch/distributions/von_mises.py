"""`torch.distributions.von_mises`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property


def _torch() -> Any:
    import graphtorch

    return graphtorch


class VonMises(Distribution):
    """The von Mises distribution of angles, in float64 inside.

    Draws by rejection from a wrapped Cauchy distribution (D. Best, N. Fisher, 1979).
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None):
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, Size(), validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        """The density's logarithm."""
        torch = _torch()
        if self._validate_args:
            self._validate_sample(value)
        found = self.concentration * torch.cos(value - self.loc)
        # log I0 without overflow
        log_i0 = torch.special.i0e(self.concentration).log() + self.concentration
        return found - math.log(2 * math.pi) - log_i0

    @lazy_property
    def _proposal_r(self) -> Tensor:
        kappa = self.concentration.double()
        tau = 1 + (1 + 4 * kappa**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
        r = (1 + rho**2) / (2 * rho)
        return _torch().where(kappa < 1e-5, 1 / kappa + kappa, r)

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw angles in [-pi, pi)."""
        torch, shape = _torch(), self._extended_shape(sample_shape)
        with torch.no_grad():
            kappa, loc, r = self.concentration.double(), self.loc.double(), self._proposal_r
            x = torch.empty(shape, dtype=torch.float64)
            done = torch.zeros(shape, dtype=torch.bool)
            while not done.all():
                u1, u2, u3 = torch.rand((3, *shape), dtype=torch.float64).unbind()
                f = torch.cos(math.pi * u1)
                f = (1 + r * f) / (r + f)
                c = kappa * (r - f)
                accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                if accept.any():
                    x = torch.where(accept, (u3 - 0.5).sign() * f.acos(), x)
                    done = done | accept
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    mean = property(lambda self: self.loc, doc="The mean angle.")
    mode = property(lambda self: self.loc, doc="`loc`.")

    @lazy_property
    def variance(self) -> Tensor:
        """The circular variance."""
        special = _torch().special
        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)
