"""`__torch_function__`: subclasses, duck types and modes are asked, and nobody else pays or changes."""

import inspect

import pytest

import graphtorch as torch
from graphtorch.overrides import (
    BaseTorchFunctionMode,
    TorchFunctionMode,
    handle_torch_function,
    has_torch_function,
    is_tensor_like,
    resolve_name,
)

early_relu = torch.relu


class Logged(torch.Tensor):
    log = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.log.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


class Plain(torch.Tensor):
    pass


class Unit:
    """A duck type that answers mean, add and its own function."""

    def __init__(self, value):
        self.value = value

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.mean:
            return args[0].value
        if func is torch.Tensor.add:
            return Unit(sum(a.value if isinstance(a, Unit) else float(a.sum()) for a in args))
        if func is own:
            return "own"
        return NotImplemented


def own(x):
    if has_torch_function((x,)):
        return handle_torch_function(own, (x,), x)
    return "plain"


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("x + 1", ["add"]),
        ("1 + x", ["add"]),
        ("2 - x", ["__rsub__"]),
        ("-x", ["neg"]),
        ("x[1:]", ["__getitem__"]),
        ("x == 1", ["__eq__"]),
        ("torch.ones(4) * x", ["mul"]),
        ("torch.cat([x, torch.ones(2)])", ["cat"]),
        ("torch.nn.functional.gelu(x)", ["gelu"]),
        ("x.add_(1)", ["add_"]),
        ("x.reshape(2, 2).T", ["reshape", "__get__"]),
        ("early_relu(x)", ["relu"]),
    ],
)
def test_a_subclass_is_asked_and_kept(expression, names):
    x = torch.arange(4.0).as_subclass(Logged)
    Logged.log.clear()
    result = eval(expression, {"torch": torch, "x": x, "early_relu": early_relu})
    assert Logged.log == names
    assert type(result) is Logged
    reference = torch.arange(4.0)
    assert torch.equal(
        result.as_subclass(torch.Tensor),
        eval(expression, {"torch": torch, "x": reference, "early_relu": early_relu}),
    )


def test_a_plain_subclass_spreads_and_gradients_flow():
    p = torch.ones(2).as_subclass(Plain).requires_grad_()
    y = torch.stack([p * 3, p]).sum()
    assert type(y) is Plain and type(p.shape) is torch.Size
    y.backward()
    assert p.grad.tolist() == [4, 4]
    plain = torch.ones(2)
    assert type(plain.contiguous()) is torch.Tensor
    assert type(torch.nn.Parameter(plain) * 2) is torch.Tensor


def test_duck_types():
    assert torch.mean(Unit(3)) == 3
    assert (torch.ones(2) + Unit(3)).value == 5
    assert own(Unit(1)) == "own" and own(torch.ones(1)) == "plain"
    with pytest.raises(TypeError, match="no implementation found for"):
        torch.sin(Unit(1))
    assert is_tensor_like(Unit(1)) and is_tensor_like(torch.ones(1)) and not is_tensor_like(1)


def test_two_classes_and_subclasses_first():
    order = []

    class Base(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            order.append(cls.__name__)
            return NotImplemented

    class Derived(Base):
        pass

    with pytest.raises(TypeError):
        torch.add(torch.ones(1).as_subclass(Base), torch.ones(1).as_subclass(Derived))
    assert order == ["Derived", "Base"]


def test_modes_nest_and_are_off_inside_themselves():
    log = []

    class Mode(TorchFunctionMode):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def __torch_function__(self, func, types, args=(), kwargs=None):
            log.append((self.name, func.__name__))
            return func(*args, **(kwargs or {}))

    layer = torch.nn.Linear(2, 2)
    with Mode("outer"), BaseTorchFunctionMode(), Mode("inner"):
        layer(torch.ones(1, 2))
    assert log == [("inner", "ones"), ("outer", "ones"), ("inner", "linear"), ("outer", "linear")]
    log.clear()
    torch.ones(2)
    assert log == []


def test_a_mode_may_replace_results():
    class Zeros(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is torch.ones:
                func = torch.zeros
            return func(*args, **(kwargs or {}))

    with Zeros():
        assert torch.ones(2).tolist() == [0, 0]


def test_functions_keep_signature_name_and_defaults():
    assert list(inspect.signature(torch.sum).parameters)[0] == "input"
    assert torch.sum.__name__ == "sum" and torch.clamp(torch.ones(2), max=0.5).tolist() == [0.5] * 2
    assert resolve_name(torch.relu) == "torch.relu"
    with pytest.raises(TypeError, match="must be Tensor"):
        torch.relu([1])


def test_compiled_functions_still_compile():
    @torch.compile
    def f(x):
        return torch.relu(x * 2).sum()

    assert f(torch.ones(3)).item() == f(torch.ones(3)).item() == 6
    assert f.cache_info().hits == 1
