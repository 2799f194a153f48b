"""The memory plan: what overlaps in time never overlaps in memory, and little is wasted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphtorch.codegen.memory import assign, plan
from graphtorch.codegen.program import ALIGNMENT, Array, Failure, ProgramBuilder
from graphtorch.ir import ops
from graphtorch.ir.types import float32
from tests.codegen.text_kernels import ADD, CHECKED, NEG, REVERSE

SIZE = 64
T = float32[SIZE]
NBYTES = 4 * SIZE


class Writer:
    """Shorthand for programs over values of one size."""

    def __init__(self):
        self.b = ProgramBuilder("p")

    def input(self, name="x"):
        return self.b.input(name, T)

    def neg(self, x, inplace=True):
        y = self.b.value("y", T)
        self.b.launch(NEG, (x, y), (1,), inplace=((1, 0),) if inplace else ())
        return y

    def reverse(self, x):
        y = self.b.value("y", T)
        self.b.launch(REVERSE, (x, y), (1,))
        return y

    def add(self, x, z):
        y = self.b.value("y", T)
        self.b.launch(ADD, (x, z, y), (2,), inplace=((2, 0), (2, 1)))
        return y

    def checked(self, x):
        y = self.b.value("y", T)
        self.b.launch(CHECKED, (x, y), (1,), failures=(Failure(0, 5),))
        return y

    def host(self, x):
        y = self.b.value("y", T)
        self.b.host(ops.neg, (Array(x, T),), (Array(y, T),))
        return y

    def plan(self, *outputs, updates=()):
        return plan(self.b.finish(outputs, updates))


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(1, 50)),
        min_size=1,
        max_size=60,
    )
)
def test_offsets_never_overlap_in_time_and_memory(pieces):
    spans = {i: [a, a + d, n * ALIGNMENT] for i, (a, d, n) in enumerate(pieces)}
    offsets, size, bound = assign(spans)
    for i, (first, last, nbytes) in spans.items():
        assert offsets[i] % ALIGNMENT == 0 and offsets[i] + nbytes <= size
        for j, (other_first, other_last, other_nbytes) in spans.items():
            if i != j and first <= other_last and other_first <= last:
                apart = offsets[i] + nbytes <= offsets[j] or offsets[j] + other_nbytes <= offsets[i]
                assert apart, (spans[i], offsets[i], spans[j], offsets[j])
    alive = [sum(n for a, b, n in spans.values() if a <= t <= b) for t in range(50)]
    assert bound == max(alive) <= size


def test_a_chain_of_equal_sizes_needs_two_pieces():
    w = Writer()
    x = w.input()
    for _ in range(6):
        x = w.neg(x, inplace=False)
    found = w.plan(x)
    assert found.arena_bytes == 2 * NBYTES == found.bound


def test_pointwise_chain_lives_in_the_output():
    w = Writer()
    x = w.input()
    for _ in range(6):
        x = w.neg(x)
    found = w.plan(x)
    assert found.arena_bytes == 0 and not found.copies
    assert {h.place for h in found.homes} == {"input", "output"}


def test_no_sharing_with_a_value_still_needed_or_read_in_another_order():
    w = Writer()
    x = w.input()
    a = w.reverse(x)
    b = w.neg(a)  # a is read again below
    c = w.add(a, b)  # may take a's or b's place
    d = w.reverse(c)
    found = w.plan(d)
    homes = found.homes
    assert homes[a].number != homes[b].number
    assert homes[c].number in (homes[a].number, homes[b].number)
    assert homes[d].place == "output" and homes[c].place == "arena"
    assert found.arena_bytes == 2 * NBYTES


def test_an_output_is_lent_to_one_of_the_values_that_die_into_it():
    w = Writer()
    x = w.input()
    a, b = w.reverse(x), w.reverse(x)
    homes = w.plan(w.add(a, b)).homes
    assert sorted((homes[a].place, homes[b].place)) == ["arena", "output"]


def test_an_operand_used_twice_is_not_overwritten():
    w = Writer()
    a = w.reverse(w.input())
    b = w.add(a, a)
    found = w.plan(w.reverse(b))
    assert found.homes[a].number != found.homes[b].number


def test_inputs_are_never_scratch():
    w = Writer()
    x = w.input()
    y = w.reverse(w.neg(x))
    found = w.plan(y)
    assert [h.place for h in found.homes] == ["input", "arena", "output"]


def test_update_is_written_in_place_when_the_old_value_is_done_with():
    w = Writer()
    x, g = w.input("x"), w.input("g")
    new = w.add(x, g)
    found = w.plan(updates=((x, new),))
    assert found.homes[new].place == "update" and found.homes[new].number == 0
    assert not found.copies and found.arena_bytes == 0


def test_update_in_another_order_than_its_reading_is_copied():
    w = Writer()
    x = w.input()
    found = w.plan(updates=((x, w.reverse(x)),))
    assert [(c.place, c.number) for c in found.copies] == [("input", 0)]


def test_update_waits_while_the_old_value_is_read():
    w = Writer()
    x, g = w.input("x"), w.input("g")
    new = w.add(x, g)
    later = w.reverse(x)
    found = w.plan(later, updates=((x, new),))
    assert found.homes[new].place == "arena" and len(found.copies) == 1


def test_nothing_is_updated_before_something_that_can_fail():
    for risky in (Writer.checked, Writer.host):
        w = Writer()
        x, g = w.input("x"), w.input("g")
        new = w.add(x, g)
        y = risky(w, g)
        found = w.plan(y, updates=((x, new),))
        assert found.homes[new].place == "arena" and [c.place for c in found.copies] == ["input"]
        w = Writer()
        x, g = w.input("x"), w.input("g")
        y = risky(w, g)
        new = w.add(x, g)
        assert w.plan(y, updates=((x, new),)).homes[new].place == "update"


def test_a_value_that_can_fail_is_not_written_over_an_input():
    w = Writer()
    x, g = w.input("x"), w.input("g")
    assert len(w.plan(updates=((x, w.checked(g)),)).copies) == 1
    w = Writer()  # a host call has its result before it is stored
    x, g = w.input("x"), w.input("g")
    assert not w.plan(updates=((x, w.host(g)),)).copies


def test_outputs_that_alias_are_copies():
    w = Writer()
    x = w.input()
    y = w.neg(x)
    found = w.plan(y, y, x)
    assert [(c.source, c.place, c.number) for c in found.copies] == [
        (y, "output", 1),
        (x, "output", 2),
    ]


def test_an_output_of_the_old_value_is_copied_before_the_update():
    w = Writer()
    x = w.input()
    new = w.neg(x)
    found = w.plan(x, updates=((x, new),))
    assert [(c.source, c.place) for c in found.copies] == [(x, "output"), (new, "input")]


def test_an_exchange_goes_through_a_temporary():
    w = Writer()
    x, y = w.input("x"), w.input("y")
    found = w.plan(updates=((x, y), (y, x)))
    assert [c.place for c in found.copies] == ["arena", "arena", "input", "input"]
    assert found.copies[0].number != found.copies[1].number
    assert found.arena_bytes == 2 * NBYTES


def test_one_value_for_two_updates_and_an_update_by_itself():
    w = Writer()
    x, y, g = w.input("x"), w.input("y"), w.input("g")
    new = w.neg(g)
    found = w.plan(updates=((x, new), (y, new), (g, g)))
    assert found.homes[new].place == "update" and found.homes[new].number == 0
    assert [(c.source, c.number) for c in found.copies] == [(new, 1)]


def test_the_report_names_every_buffer():
    w = Writer()
    x = w.input()
    text = str(w.plan(w.reverse(w.neg(x, inplace=False)), updates=((x, x),)))
    assert text.splitlines()[0] == (
        "arena: 256 bytes for 256 bytes of temporaries; 256 bytes alive at once"
    )
    assert "x: f32[64]" in text and "input 0" in text and "arena + 0" in text and "output 0" in text


def test_empty_program():
    found = ProgramBuilder("nothing").finish(())
    assert plan(found).arena_bytes == 0
