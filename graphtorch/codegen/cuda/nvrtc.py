"""CUDA C to machine code with NVRTC, through CuPy's binding.  Needs no GPU and no driver.

    compile_text(text, "sm_90")  ->  Compiled(image, log)

The log names registers, shared memory and spills of every kernel (ptxas).  Denormals are kept and
nothing is contracted behind the printer's back: the text says `fmaf` where one rounding is meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import CompileError, UnsupportedError
from ..cache import digest, object_cache

OPTIONS = ("-std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true")
_USED = re.compile(r"Used (\d+) registers")
_SPILLED = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")


@dataclass(frozen=True, slots=True)
class Compiled:
    """Machine code (CUBIN) for one architecture, and what ptxas said."""

    image: bytes
    architecture: str
    log: str

    @property
    def registers(self) -> int | None:
        """The most registers a kernel of the text uses, if the log tells."""
        return max(map(int, _USED.findall(self.log)), default=None)

    @property
    def spilled_bytes(self) -> int:
        """Bytes that registers were spilled to."""
        return sum(int(a) + int(b) for a, b in _SPILLED.findall(self.log))


def compile_text(text: str, architecture: str, name: str = "kernel.cu") -> Compiled:
    """Compile for `sm_80`, `sm_90`, ...; raises CompileError with NVRTC's messages.

    Raises UnsupportedError where CuPy is not installed.
    """
    try:
        from cupy_backends.cuda.libs import nvrtc
    except ImportError as error:
        raise UnsupportedError(
            f"CUDA C is compiled by NVRTC through CuPy, which is missing here ({error}): "
            "pip install 'graphtorch[cuda]'"
        ) from None
    program = nvrtc.createProgram(text, name, (), ())
    try:
        options = (*OPTIONS, f"-arch={architecture}", "--ptxas-options=-v")
        nvrtc.compileProgram(program, options)
        return Compiled(nvrtc.getCUBIN(program), architecture, nvrtc.getProgramLog(program))
    except nvrtc.NVRTCError:
        log = nvrtc.getProgramLog(program)
        raise CompileError(f"NVRTC does not take {name} for {architecture}:\n{log}") from None
    finally:
        nvrtc.destroyProgram(program)


def image_of(text: str, architecture: str, name: str) -> bytes:
    """The machine code of a module, from the disk cache where it was compiled before."""
    cache = object_cache()
    key = digest("cuda", text, architecture, *OPTIONS)
    found = cache.get(key) if cache else None
    if found is not None:
        return found[1]
    image = compile_text(text, architecture, f"{name}.cu").image
    if cache:
        cache.put(key, f"cuda {name}", image)
    return image
