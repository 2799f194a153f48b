"""The named tuples that `max(dim=)`, `sort`, `topk`, ... return; they print as PyTorch's."""

from __future__ import annotations

from collections import namedtuple
from typing import Any


def _make(name: str, fields: str) -> Any:
    base = namedtuple(name, fields)  # type: ignore[misc]

    def show(self: Any) -> str:
        parts = ",\n".join(f"{f}={v!r}" for f, v in zip(self._fields, self, strict=True))
        return f"torch.return_types.{name}(\n{parts})"

    return type(name, (base,), {"__repr__": show, "__slots__": (), "__module__": __name__})


# fmt: off
max = _make("max", "values indices")
min = _make("min", "values indices")
median = _make("median", "values indices")
nanmedian = _make("nanmedian", "values indices")
mode = _make("mode", "values indices")
sort = _make("sort", "values indices")
topk = _make("topk", "values indices")
kthvalue = _make("kthvalue", "values indices")
cummax = _make("cummax", "values indices")
cummin = _make("cummin", "values indices")
aminmax = _make("aminmax", "min max")
frexp = _make("frexp", "mantissa exponent")
histogram = _make("histogram", "hist bin_edges")
histogramdd = _make("histogramdd", "hist bin_edges")
slogdet = _make("slogdet", "sign logabsdet")
qr = _make("qr", "Q R")
svd = _make("svd", "U S V")
linalg_eigh = _make("linalg_eigh", "eigenvalues eigenvectors")
linalg_eig = _make("linalg_eig", "eigenvalues eigenvectors")
linalg_svd = _make("linalg_svd", "U S Vh")
linalg_qr = _make("linalg_qr", "Q R")
linalg_slogdet = _make("linalg_slogdet", "sign logabsdet")
linalg_cholesky_ex = _make("linalg_cholesky_ex", "L info")
linalg_inv_ex = _make("linalg_inv_ex", "inverse info")
linalg_solve_ex = _make("linalg_solve_ex", "result info")
linalg_lu_factor = _make("linalg_lu_factor", "LU pivots")
linalg_lu_factor_ex = _make("linalg_lu_factor_ex", "LU pivots info")
linalg_lu = _make("linalg_lu", "P L U")
linalg_ldl_factor = _make("linalg_ldl_factor", "LD pivots")
linalg_ldl_factor_ex = _make("linalg_ldl_factor_ex", "LD pivots info")
lu_unpack = _make("lu_unpack", "P L U")
triangular_solve = _make("triangular_solve", "solution cloned_coefficient")
geqrf = _make("geqrf", "a tau")
linalg_lstsq = _make("linalg_lstsq", "solution residuals rank singular_values")
# fmt: on
