"""PyTorch's own table of operators and sample inputs (`op_db`), run against graphtorch.

    python -m tests.parity.opdb add mul linalg.inv        # these entries, with the first failure of each
    python -m tests.parity.opdb --all --write docs/op_db.md

An entry passes when, for float32, float64, int64 and bool (as far as the entry supports them; its other
dtypes where it supports none of these) and for every sample input

    forward   values, dtype and shape are PyTorch's
    gradient  the gradients of all inputs are PyTorch's, where the entry has them
    method    `Tensor.x` gives what PyTorch's gives, where the entry has a method
    inplace   `Tensor.x_` likewise
    out       `out=` likewise
    errors    each of the entry's `error_inputs` raises PyTorch's class of error

    convert    torch objects -> graphtorch objects
    resolve    graphtorch's function for an entry
    compare    two results
    check      one entry
    run        many entries, each of which may crash or hang
    table      docs/op_db.md
"""
