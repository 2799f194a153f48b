"""`torch.linalg`: norms, products, solving, decompositions.

Norms and products are made of ordinary ops.  Decompositions are `host` rows (`ir/ops/linalg.py`,
`ir/ops/factorization.py`, ...): they run in NumPy and are differentiated by formulas over other ops.

    norms           norms, condition numbers, ranks
    products        products, powers, exponentials
    solving         inverses and systems of equations
    factoring       determinants and decompositions
    checks          what the argument of a linalg function must be
"""

from .. import absent as absent
from .checks import LinAlgError
from .factoring import (
    cholesky,
    cholesky_ex,
    det,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    ldl_factor,
    ldl_factor_ex,
    ldl_solve,
    logdet,
    lu,
    lu_factor,
    lu_factor_ex,
    qr,
    slogdet,
    svd,
    svdvals,
)  # fmt: skip
from .norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from .products import (
    cross,
    diagonal,
    householder_product,
    matmul,
    matrix_exp,
    matrix_power,
    multi_dot,
    vander,
    vecdot,
)  # fmt: skip
from .solving import (
    inv,
    inv_ex,
    inverse,
    lstsq,
    lu_solve,
    pinv,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)  # fmt: skip

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "inverse", "ldl_factor", "ldl_factor_ex", "ldl_solve", "logdet", "lstsq",
    "lu", "lu_factor", "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank",
    "multi_dot", "norm", "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv",
    "tensorsolve", "vander", "vecdot", "vector_norm",
]  # fmt: skip

__getattr__ = absent.names_of(__name__)
