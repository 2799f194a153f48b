"""`nn.Module`: registration, traversal, hooks, state dicts, and what the compiler asks of it."""

import copy
import io
import threading
import time

import pytest

import graphtorch as torch
from graphtorch import nn
from graphtorch.nn.module import Epoch, current_path


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("count", torch.zeros(1))
        self.register_buffer("hidden", torch.zeros(1), persistent=False)
        self.scale = 3

    def forward(self, x):
        return self.linear(x) * self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(2, 1))
        self.token = nn.Parameter(torch.ones(2))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x + self.token)


# ---- registration


def test_names_in_order():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "token", "blocks.0.linear.weight", "blocks.0.linear.bias", "blocks.1.linear.weight",
        "blocks.1.linear.bias", "head.1.weight", "head.1.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_modules()] == [
        "", "blocks", "blocks.0", "blocks.0.linear", "blocks.1", "blocks.1.linear", "head", "head.0", "head.1",
    ]  # fmt: skip
    assert [n for n, _ in net.named_buffers()] == [
        "blocks.0.count", "blocks.0.hidden", "blocks.1.count", "blocks.1.hidden",
    ]  # fmt: skip
    assert [n for n, _ in net.named_children()] == ["blocks", "head"]
    assert len(list(net.parameters(recurse=False))) == 1


def test_shared_parameters_and_modules_count_once():
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    net.c = nn.Linear(2, 2)
    net.c.weight = net.a.weight
    assert [n for n, _ in net.named_parameters()] == ["a.weight", "a.bias", "c.bias"]
    everything = [n for n, _ in net.named_parameters(remove_duplicate=False)]
    assert everything == ["a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"]


def test_assignment_rules():
    net = Net()
    with pytest.raises(TypeError, match=r"cannot assign 'torch.FloatTensor' as parameter 'token'"):
        net.token = torch.zeros(2)
    net.token = None
    assert "token" not in dict(net.named_parameters()) and net.token is None
    with pytest.raises(TypeError, match="as child module 'head'"):
        net.head = 3
    with pytest.raises(TypeError, match="as buffer 'count'"):
        net.blocks[0].count = 3
    net.blocks[0].count = torch.ones(4)
    assert net.blocks[0]._buffers["count"].shape == (4,)
    net.extra = nn.Buffer(torch.ones(1), persistent=False)
    assert "extra" not in net.state_dict() and dict(net.named_buffers())["extra"] is net.extra
    del net.head
    assert not hasattr(net, "head")
    net.plain = nn.Linear(1, 1)
    net.plain = None
    assert net._modules["plain"] is None


def test_registration_errors():
    class Early(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(torch.zeros(1))

    with pytest.raises(AttributeError, match="cannot assign parameters before Module.__init__"):
        Early()
    net = nn.Module()
    with pytest.raises(KeyError, match="can't contain|can.*t contain"):
        net.register_parameter("a.b", None)
    with pytest.raises(KeyError, match="already exists"):
        net.register_buffer("training", None)
    with pytest.raises(TypeError, match="torch.nn.Parameter or None required"):
        net.register_parameter("w", nn.Parameter(torch.ones(1)) * 1)
    with pytest.raises(AttributeError, match="'Module' object has no attribute 'nothing'"):
        _ = net.nothing
    with pytest.raises(NotImplementedError, match='missing the required "forward"'):
        net()
    with pytest.raises(TypeError, match="unexpected keyword argument 'x'"):
        nn.Module(x=1)


def test_paths():
    net = Net()
    assert net.get_submodule("blocks.1.linear") is net.blocks[1].linear
    assert net.get_submodule("") is net
    assert net.get_parameter("head.1.bias") is net.head[1].bias
    assert net.get_buffer("blocks.0.count") is net.blocks[0].count
    net.set_submodule("head.0", nn.Tanh())
    assert isinstance(net.head[0], nn.Tanh)
    for path, error in (
        ("blocks.7", "has no attribute `7`"),
        ("token", "`token` is not an nn.Module"),
    ):
        with pytest.raises(AttributeError, match=error):
            net.get_submodule(path)
    with pytest.raises(AttributeError, match="`count` is not an nn.Parameter"):
        net.get_parameter("blocks.0.count")


def test_apply_train_and_requires_grad():
    net = Net()
    seen = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen[-1] == "Net" and seen[0] == "Linear"
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert net.train().training
    with pytest.raises(ValueError, match="expected to be boolean"):
        net.train(1)
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_conversion_keeps_parameters():
    net = Net()
    parameter = net.token
    net.double()
    assert net.token is parameter and net.token.dtype == torch.float64
    assert net.blocks[0].count.dtype == torch.float64
    net.to(torch.float16)
    assert net.token.dtype == torch.float16
    net.to("cpu", torch.float32)
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    with pytest.raises(TypeError, match="only accepts floating point"):
        net.to(torch.int64)
    counter = nn.BatchNorm1d(2).half()
    assert (
        counter.num_batches_tracked.dtype == torch.int64
        and counter.running_mean.dtype == torch.float16
    )


def test_zero_grad():
    net = Net()
    net(torch.ones(3, 2)).sum().backward()
    gradient = net.token.grad
    net.zero_grad(set_to_none=False)
    assert net.token.grad is gradient and gradient.abs().sum() == 0
    net.zero_grad()
    assert net.token.grad is None


def test_deepcopy_and_pickle_keep_structure():
    net = Net()
    copied = copy.deepcopy(net)
    assert copied.token is not net.token and copied.token.requires_grad
    with torch.no_grad():
        copied.token.add_(1)
    assert net.token.tolist() == [1.0, 1.0] and copied.token.tolist() == [2.0, 2.0]
    x = torch.ones(1, 2)
    copied.load_state_dict(net.state_dict())
    assert torch.equal(copied(x), net(x))


def test_dir_lists_everything():
    names = dir(Net())
    assert {"token", "blocks", "head", "forward", "training"} <= set(names)


def test_repr_of_nested_modules():
    assert repr(Net()) == (
        "Net(\n"
        "  (blocks): ModuleList(\n"
        "    (0-1): 2 x Block(\n"
        "      (linear): Linear(in_features=2, out_features=2, bias=True)\n"
        "    )\n"
        "  )\n"
        "  (head): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=2, out_features=1, bias=True)\n"
        "  )\n"
        ")"
    )


# ---- state dicts


def test_state_dict_shares_memory_and_skips_what_is_not_persistent():
    net = Net()
    state = net.state_dict()
    assert "blocks.0.count" in state and "blocks.0.hidden" not in state
    assert not state["token"].requires_grad
    with torch.no_grad():
        net.token.fill_(5)
    assert state["token"].tolist() == [5.0, 5.0]
    assert net.state_dict(keep_vars=True)["token"] is net.token
    assert list(net.state_dict(prefix="m.", keep_vars=True))[0] == "m.token"


def test_strict_loading_lists_every_problem():
    net = Net()
    state = net.state_dict()
    state["surplus"] = torch.zeros(1)
    state["token"] = torch.zeros(3)
    del state["head.1.bias"]
    with pytest.raises(RuntimeError) as info:
        net.load_state_dict(state)
    assert str(info.value) == (
        "Error(s) in loading state_dict for Net:\n"
        '\tMissing key(s) in state_dict: "head.1.bias". \n'
        '\tUnexpected key(s) in state_dict: "surplus". \n'
        "\tsize mismatch for token: copying a param with shape torch.Size([3]) from checkpoint, the shape in"
        " current model is torch.Size([2])."
    )
    del state["token"]
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["token", "head.1.bias"] and result.unexpected_keys == ["surplus"]


def test_assign_takes_the_tensors():
    net = nn.Linear(2, 2)
    state = {"weight": torch.zeros(2, 2), "bias": torch.ones(2)}
    net.load_state_dict(state, assign=True)
    assert isinstance(net.weight, nn.Parameter) and net.weight.requires_grad
    state["bias"].add_(1)
    assert net.bias.tolist() == [2.0, 2.0]


def test_extra_state_and_state_hooks():
    class Extra(nn.Linear):
        def get_extra_state(self):
            return {"n": 3}

        def set_extra_state(self, state):
            self.n = state["n"]

    net, events = Extra(1, 1), []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: events.append("pre"))
    net.register_state_dict_post_hook(
        lambda m, state, prefix, meta: state.update(more=torch.zeros(1))
    )
    net.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("more"))
    net.register_load_state_dict_post_hook(lambda m, keys: events.append(list(keys.missing_keys)))
    state = net.state_dict()
    assert state["_extra_state"] == {"n": 3} and "more" in state
    net.load_state_dict(state)
    assert net.n == 3 and events == ["pre", []]


def test_save_and_load_round_trip():
    net = Net()
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other = Net()
    other.load_state_dict(torch.load(file))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))


# ---- hooks


def test_forward_hooks():
    net, events = nn.Linear(2, 2), []
    handles = [
        net.register_forward_pre_hook(lambda m, args: (args[0] * 2,)),
        net.register_forward_hook(lambda m, args, out: events.append(args[0].tolist())),
        net.register_forward_hook(lambda m, args, kwargs, out: out * 0 + 7, with_kwargs=True),
        net.register_forward_pre_hook(
            lambda m, args, kwargs: (args, kwargs), with_kwargs=True, prepend=True
        ),
    ]
    assert net(torch.ones(1, 2)).tolist() == [[7.0, 7.0]] and events == [[[2.0, 2.0]]]
    for handle in handles:
        handle.remove()
        handle.remove()
    assert (
        not net._forward_hooks and not net._forward_pre_hooks and not net._forward_hooks_with_kwargs
    )


def test_always_called_hooks_run_after_errors():
    class Failing(nn.Module):
        def forward(self):
            raise RuntimeError("no")

    net, events = Failing(), []
    net.register_forward_hook(lambda m, args, out: events.append(out), always_call=True)
    with pytest.raises(RuntimeError, match="no"):
        net()
    assert events == [None]


def test_global_hooks():
    from graphtorch.nn.hooks import (
        register_module_forward_hook,
        register_module_module_registration_hook,
    )

    events = []
    with register_module_forward_hook(lambda m, args, out: events.append(type(m).__name__)):
        nn.Sequential(nn.ReLU())(torch.ones(1))
    assert events == ["ReLU", "Sequential"]
    with register_module_module_registration_hook(lambda m, name, child: events.append(name)):
        nn.Sequential(nn.ReLU())
    assert events[2:] == ["0"]
    nn.ReLU()(torch.ones(1))
    assert len(events) == 3


def test_backward_hooks_see_and_change_gradients():
    net = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    seen = []
    net.register_full_backward_pre_hook(lambda m, grads: seen.append([g.tolist() for g in grads]))
    net.register_full_backward_hook(lambda m, gin, gout: (gin[0] * 10,))
    x = torch.ones(1, 2, requires_grad=True)
    net(x).sum().backward()
    assert seen == [[[[1.0, 1.0]]]]
    assert x.grad.tolist() == [[40.0, 60.0]]
    assert net.weight.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]


# ---- what the compiler asks


def changes(action):
    before = Epoch.value
    action()
    return Epoch.value != before


def test_epoch_moves_with_structure_only():
    net = Net()
    x = torch.ones(1, 2)
    assert not changes(lambda: net(x))
    assert not changes(lambda: net.train())
    assert not changes(lambda: setattr(net.blocks[0], "scale", 3))
    assert not changes(lambda: net.token.data.fill_(2))
    assert not changes(lambda: net.load_state_dict(net.state_dict()))
    assert changes(lambda: net.eval())
    assert changes(lambda: setattr(net.blocks[0], "scale", 4))
    assert changes(lambda: setattr(net, "token", nn.Parameter(torch.zeros(2))))
    assert changes(lambda: setattr(net.blocks[0], "count", torch.zeros(1)))
    assert changes(lambda: net.register_buffer("more", torch.zeros(1)))
    assert changes(lambda: net._modules.__setitem__("head", nn.Identity()))
    assert changes(lambda: net._parameters.pop("token"))
    assert changes(lambda: delattr(net, "more"))
    assert changes(lambda: net.double())
    handle = []
    assert changes(lambda: handle.append(net.register_forward_hook(lambda *a: None)))
    assert changes(lambda: handle[0].remove())


def test_current_path_follows_the_running_module():
    paths = []

    class Spy(nn.Module):
        def forward(self, x):
            paths.append(current_path())
            return x

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(Spy(), nn.Sequential(Spy(), Spy()))
            self.extra = nn.ModuleList([Spy()])

        def forward(self, x):
            return self.extra[0](self.body(x))

    net = Outer()
    net(torch.ones(1))
    assert paths == ["body.0", "body.1.0", "body.1.1", "extra.0"] and current_path() == ""
    net.body(torch.ones(1))
    assert paths[4:] == ["0", "1.0", "1.1"]
    net.renamed, net.body[1] = net.extra, nn.Identity()
    del net.extra
    net.extra = net.renamed
    net(torch.ones(1))
    assert paths[7:] == ["body.0", "renamed.0"]


def test_paths_are_per_thread():
    paths, ready = {}, threading.Barrier(2)

    class Spy(nn.Module):
        def forward(self, x):
            ready.wait(timeout=10)
            time.sleep(0.01)
            paths[threading.current_thread().name] = current_path()
            return x

    a, b = nn.Sequential(Spy()), nn.Sequential(nn.Identity(), Spy())
    threads = [
        threading.Thread(target=m, args=(torch.ones(1),), name=n) for m, n in ((a, "a"), (b, "b"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == {"a": "0", "b": "1"}


def test_path_is_cleared_after_an_error():
    class Failing(nn.Module):
        def forward(self, x):
            raise ValueError

    with pytest.raises(ValueError):
        nn.Sequential(Failing())(torch.ones(1))
    assert current_path() == ""


# ---- lazy modules


def test_lazy_modules_become_their_plain_classes():
    net = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    assert repr(net[0].weight) == "<UninitializedParameter>" and net[0].has_uninitialized_params()
    copied = copy.deepcopy(net)
    net(torch.ones(2, 5))
    assert (
        type(net[0]) is nn.Linear
        and net[0].in_features == 5
        and type(net[0].weight) is nn.Parameter
    )
    assert type(net[1]) is nn.BatchNorm1d and type(net[1].running_mean) is torch.Tensor
    assert not net[0]._forward_pre_hooks
    copied(torch.ones(2, 7))
    assert copied[0].in_features == 7
    fresh = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    fresh.load_state_dict(net.state_dict())
    assert torch.equal(fresh[0].weight, net[0].weight)
    fresh(torch.ones(2, 5))
    assert type(fresh[0]) is nn.Linear and torch.equal(fresh[0].weight, net[0].weight)


def test_lazy_parameters_can_be_optimised():
    net = nn.LazyLinear(2)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.ones(1, 3)).sum().backward()
    before = net.bias.tolist()
    opt.step()
    assert net.bias.tolist() == pytest.approx([b - 0.1 for b in before])
