"""Containers behave like the lists and dicts they are named after."""

from collections import OrderedDict

import pytest

import graphtorch as torch
from graphtorch import nn


def names(module):
    return [type(m).__name__ for m in module]


def test_sequential():
    s = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert names(s) == ["ReLU", "Tanh", "Sigmoid"] and len(s) == 3
    assert type(s[-1]) is nn.Sigmoid and names(s[:2]) == ["ReLU", "Tanh"]
    s[1] = nn.GELU()
    del s[0]
    assert names(s) == ["GELU", "Sigmoid"] and list(s._modules) == ["0", "1"]
    s.insert(1, nn.ELU()).append(nn.SELU()).extend([nn.CELU()])
    assert names(s) == ["GELU", "ELU", "Sigmoid", "SELU", "CELU"]
    assert type(s.pop(1)) is nn.ELU and len(s) == 4
    assert names(s[:1] + s[1:2]) == ["GELU", "Sigmoid"]
    assert len(s * 2) == 8 and len(2 * s) == 8
    s *= 2
    assert len(s) == 8 and s[0] is s[4]
    s += nn.Sequential(nn.ReLU())
    assert len(s) == 9
    for bad, error in (
        (lambda: s[20], IndexError),
        (lambda: s * 0, ValueError),
        (lambda: s + [1], ValueError),
    ):
        with pytest.raises(error):
            bad()
    named = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
    assert named.a is named[0] and list(named[:1]._modules) == ["a"]


def test_module_list():
    m = nn.ModuleList([nn.ReLU()])
    m.append(nn.Tanh()).extend([nn.Sigmoid()])
    m += [nn.GELU()]
    m.insert(0, nn.ELU())
    assert names(m) == ["ELU", "ReLU", "Tanh", "Sigmoid", "GELU"]
    assert names(m[1:3]) == ["ReLU", "Tanh"] and type(m[1:3]) is nn.ModuleList
    del m[::2]
    assert names(m) == ["ReLU", "Sigmoid"] and list(m._modules) == ["0", "1"]
    assert names(m + [nn.Tanh()]) == ["ReLU", "Sigmoid", "Tanh"]
    with pytest.raises(TypeError, match="should be called with an iterable"):
        m.extend(3)
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_dict():
    d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    d["c"] = nn.GELU()
    d.update([("d", nn.ELU())])
    assert list(d) == ["a", "b", "c", "d"] and "a" in d and len(d) == 4
    assert type(d.pop("b")) is nn.Tanh and list(d.keys()) == ["a", "c", "d"]
    assert [k for k, _ in d.items()] == ["a", "c", "d"] and len(list(d.values())) == 3
    del d["a"]
    d.clear()
    assert len(d) == 0


def test_parameter_containers():
    p = nn.ParameterList([torch.ones(2), nn.Parameter(torch.zeros(1)), "text"])
    assert isinstance(p[0], nn.Parameter) and len(list(p.parameters())) == 2 and p[-1] == "text"
    p.append(torch.ones(3))
    assert len(p) == 4 and [type(x).__name__ for x in p[1:3]] == ["Parameter", "str"]
    assert repr(p).splitlines()[1] == "    (0): Parameter containing: [torch.float32 of size 2]"
    d = nn.ParameterDict({"b": torch.ones(1), "a": torch.zeros(1)})
    assert list(d) == ["a", "b"] and isinstance(d["a"], nn.Parameter)
    d["c"] = torch.ones(2)
    assert [n for n, _ in d.named_parameters()] == ["a", "b", "c"]
    assert list((d | {"d": torch.ones(1)}).keys()) == ["a", "b", "c", "d"]
    assert d.pop("c").shape == (2,) and d.get("c") is None and "c" not in d
    assert d.setdefault("z", torch.ones(1)) is d["z"]
