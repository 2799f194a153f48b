"""LLVM text to running code, and what happens to text that is wrong."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading

import pytest

from graphtorch.codegen.llvm import jit
from graphtorch.codegen.llvm.target import AVX2, AVX512, NEON, SSE, host
from graphtorch.errors import CompileError

INCREMENT = "define i32 @f(i32 %x) {\n  %y = add i32 %x, NUMBER\n  ret i32 %y\n}\n"
UNARY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


def text(number):
    return INCREMENT.replace("NUMBER", str(number))


def test_compiles_and_runs():
    library = jit.compile([text(5)], ["f"], host())
    assert UNARY(library["f"])(37) == 42


def test_objects_load_without_text():
    code = jit.assemble(text(7), host())
    assert isinstance(code, bytes)
    library = jit.load([code], ["f"])
    assert UNARY(library["f"])(1) == 8


def test_several_modules_see_each_other():
    caller = (
        "declare i32 @f(i32)\n"
        "define i32 @g(i32 %x) {\n  %y = call i32 @f(i32 %x)\n  %z = mul i32 %y, 10\n  ret i32 %z\n}"
    )
    library = jit.compile([text(1), caller], ["f", "g"], host())
    assert UNARY(library["g"])(4) == 50


def test_equal_symbols_in_different_libraries():
    one, two = (jit.compile([text(n)], ["f"], host()) for n in (1, 2))
    assert (UNARY(one["f"])(0), UNARY(two["f"])(0)) == (1, 2)
    del one
    gc.collect()
    assert UNARY(two["f"])(0) == 2


def test_functions_of_the_c_library_and_of_python():
    source = (
        "declare double @lgamma(double)\n@flag = external global i8\n"
        "define double @h(double %x) {\n  %y = call double @lgamma(double %x)\n"
        "  %b = load i8, ptr @flag\n  %c = uitofp i8 %b to double\n"
        "  %z = fadd double %y, %c\n  ret double %z\n}"
    )
    flag = ctypes.c_uint8(3)
    library = jit.load([jit.assemble(source, host())], ["h"], {"flag": ctypes.addressof(flag)})
    h = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library["h"])
    assert h(5.0) == pytest.approx(3.178053830347946 + 3)


@pytest.mark.parametrize(
    "source, line",
    [
        ("define i32 @f(i32 %x) {\n  %y = add i64 %x, 1\n  ret i32 %y\n}", 2),
        ("define i32 @f(i32 %x) {\n  ret i32 %nothing\n}", 2),
        ("define i32 @f(i32 %x) {\n\n\n  %y = add i32 %y, 1\n  ret i32 %y\n}", 4),
    ],
)
def test_a_fault_shows_its_line(source, line):
    with pytest.raises(CompileError, match=rf"(?s)LLVM rejects.*> +{line}  ") as caught:
        jit.assemble(source, host())
    assert source.splitlines()[line - 1] in str(caught.value)


def test_damaged_objects_and_missing_symbols_are_errors():
    code = jit.assemble(text(1), host())
    for damaged in (b"", b"nonsense", code[:50], code[:60] + b"\xff" * 100 + code[160:]):
        with pytest.raises(CompileError, match="cannot link"):
            jit.load([damaged], ["f"])
    with pytest.raises(CompileError, match="cannot link"):
        jit.load([code], ["g"])
    library = jit.load([code], ["f"])
    assert UNARY(library["f"])(1) == 2


def test_many_threads_at_once():
    results = {}

    def work(k):
        for i in range(5):
            library = jit.compile([text(100 * k + i)], ["f"], host())
            results[k, i] = UNARY(library["f"])(0)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {(k, i): 100 * k + i for k in range(6) for i in range(5)}


VECTOR = """
define void @v(ptr %p) {
  %x = load <16 x float>, ptr %p, align 4
  %y = fadd <16 x float> %x, %x
  store <16 x float> %y, ptr %p, align 4
  ret void
}
"""


@pytest.mark.parametrize(
    "target, register", [(AVX512, "%zmm0"), (AVX2, "%ymm1"), (SSE, "%xmm3"), (NEON, "v3.4s")]
)
def test_assembles_for_other_machines(target, register):
    assert register in jit.assembly(VECTOR, target)


def test_code_for_another_machine_does_not_run():
    with pytest.raises(CompileError, match="code for neon cannot run on this machine"):
        jit.compile([VECTOR], ["v"], NEON)


def test_optimised_text():
    slow = "define i32 @f() {\n  %a = add i32 20, 1\n  %b = mul i32 %a, 2\n  ret i32 %b\n}"
    assert "ret i32 42" in jit.optimised(slow, host())


def test_no_compiler_is_needed(tmp_path):
    """The whole way works with an empty PATH."""
    script = (
        "import sys, shutil; sys.path[:0] = sys.argv[1:]\n"
        "assert not any(map(shutil.which, ('cc', 'gcc', 'g++', 'clang', 'ld', 'as')))\n"
        "import test_jit\ntest_jit.test_compiles_and_runs()\n"
        "sys.path.insert(0, test_jit.os.path.dirname(sys.argv[1]))\n"
        "import test_executable\ntest_executable.test_computes(100_000)\n"
    )
    here = os.path.dirname(__file__)
    root = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    result = subprocess.run(
        [sys.executable, "-c", script, here, root, *(p for p in sys.path if p)],
        env={"PATH": "", "GRAPHTORCH_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
