"""Kernels written as LLVM text by hand, so that these tests need neither lowering nor the printer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextKernel:
    """A kernel over chunks of 256 elements; `element` computes one from %i (and %buffers)."""

    name: str
    text: str
    scratch_bytes: int = 0

    @property
    def key(self) -> str:
        return self.text

    def llvm(self, symbol, target) -> str:
        return self.text.replace("@kernel", f"@{symbol}")


CHUNK = 256


def elementwise(name: str, inputs: int, expression: str, failing: str = "") -> TextKernel:
    """`out[i] = expression` for i < params[0]; operands are %x0.. and the result is %r.

    failing: statements that run before, with %status.p the address of the status pointer.
    """
    loads = "\n".join(
        f"""  %b{k}.p = getelementptr ptr, ptr %buffers, i64 {k}
  %b{k} = load ptr, ptr %b{k}.p
  %a{k} = getelementptr float, ptr %b{k}, i64 %i
  %x{k} = load float, ptr %a{k}"""
        for k in range(inputs)
    )
    return TextKernel(
        name,
        f"""
define void @kernel(ptr %buffers, ptr %params, ptr %scratch, i64 %begin, i64 %end) {{
entry:
  %n = load i64, ptr %params
  %first = mul i64 %begin, {CHUNK}
  %far = mul i64 %end, {CHUNK}
  %over = icmp sgt i64 %far, %n
  %last = select i1 %over, i64 %n, i64 %far
  %out.p = getelementptr ptr, ptr %buffers, i64 {inputs}
  %out = load ptr, ptr %out.p
  %status.p = getelementptr ptr, ptr %buffers, i64 {inputs + 1}
{failing}
  br label %loop
loop:
  %i = phi i64 [%first, %entry], [%next, %body]
  %more = icmp slt i64 %i, %last
  br i1 %more, label %body, label %done
body:
{loads}
{expression}
  %sink = getelementptr float, ptr %out, i64 %i
  store float %r, ptr %sink
  %next = add i64 %i, 1
  br label %loop
done:
  ret void
}}
""",
    )


ADD = elementwise("add", 2, "  %r = fadd float %x0, %x1")
MUL = elementwise("mul", 2, "  %r = fmul float %x0, %x1")
NEG = elementwise("neg", 1, "  %r = fneg float %x0")
TWICE = elementwise("twice", 1, "  %r = fmul float %x0, 2.0")
ADD_ONE = elementwise("add_one", 1, "  %r = fadd float %x0, 1.0")
REVERSE = elementwise(
    "reverse",
    1,
    """  %last.i = sub i64 %n, 1
  %j = sub i64 %last.i, %i
  %other = getelementptr float, ptr %b0, i64 %j
  %r = load float, ptr %other""",
)
CHECKED = elementwise(
    "checked",
    1,
    "  %r = fadd float %x0, 0.0",
    failing="""  %source.p = load ptr, ptr %buffers
  %value = load float, ptr %source.p
  %index = fptosi float %value to i64
  %bad = icmp sgt i64 %index, 4
  %status = load ptr, ptr %status.p
  %code = select i1 %bad, i64 1, i64 0
  store i64 %code, ptr %status
  %index.p = getelementptr i64, ptr %status, i64 1
  store i64 %index, ptr %index.p""",
)
