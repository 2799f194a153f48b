"""The thread pool's native half, as LLVM text: worker loop, fork-join of one launch, start and stop.

The pool is one block of memory (`POOL`) that lives as long as the process.  `state` is the word that
everything turns on and that idle workers sleep on:

    bits 31..16  generation, one more for every job       bit 15  open       bits 14..0  active workers

    caller   fill in the job; next = 0; state = (generation + 1, open, 0); wake sleepers
             take pieces of [0, chunks) off `next` until none is left
             clear `open`; wait until no worker is active
    worker   see an open job of a new generation; state + 1; take pieces; state - 1; wait for the next,
             first spinning, then asleep in the kernel on `state`

A worker that was not scheduled in time simply never enters: the caller waits only for workers that
did, so a busy machine costs speed, not progress.  Which thread runs which piece never matters to the
result.  `owner` is taken for a whole graph by one caller at a time; others run on their own thread.

Threads are plain pthreads that never touch Python, with all signals blocked.  Workers are started by
the first parallel launch, so a child after fork only has to clear the block (`runtime`).
"""

from __future__ import annotations

import re
import sys

from ...errors import UnsupportedError
from ..runtime import MAX_THREADS


class Layout:
    """Names for the 8-byte words of a block: `Layout("arena base").base == 8`."""

    def __init__(self, names: str, **places: int):
        self.offsets = {name: 8 * i for i, name in enumerate(names.split())} | places
        self.nbytes = max(self.offsets.values()) + 8

    def __getattr__(self, name: str) -> int:
        try:
            return self.offsets[name]
        except KeyError:
            raise AttributeError(name) from None


# Words that different threads write stand on cache lines of their own.
POOL = Layout(
    "state", sleepers=64, next=128, function=192, buffers=200, params=208, scratch=216, stride=224,
    chunks=232, piece=240, owner=256, stop=320, threads=384, started=392, spins=400, workers=448,
)  # fmt: skip
WORKER = Layout("pool index handle")
POOL_BYTES = POOL.workers + MAX_THREADS * WORKER.nbytes


def expand(text: str, **layouts: Layout) -> str:
    """Replace `$POOL.state` by the offset of that word."""
    return re.sub(r"\$(\w+)\.(\w+)", lambda m: str(getattr(layouts[m[1]], m[2])), text)


_WAIT = {
    "linux": """
declare i64 @syscall(i64, ...)
define internal void @park(ptr %word, i32 %seen) nounwind {
  call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word, i32 128, i32 %seen, ptr null, ptr null, i32 0)
  ret void
}
define internal void @wake(ptr %word, i32 %count) nounwind {
  call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word, i32 129, i32 %count, ptr null, ptr null, i32 0)
  ret void
}
""",
    "darwin": """
declare i32 @__ulock_wait(i32, ptr, i64, i32)
declare i32 @__ulock_wake(i32, ptr, i64)
define internal void @park(ptr %word, i32 %seen) nounwind {
  %wide = zext i32 %seen to i64
  call i32 @__ulock_wait(i32 1, ptr %word, i64 %wide, i32 0)
  ret void
}
define internal void @wake(ptr %word, i32 %count) nounwind {
  call i32 @__ulock_wake(i32 257, ptr %word, i64 0)
  ret void
}
""",
}

_RELAX = """
declare void @DECLARED
define internal void @relax() alwaysinline nounwind {
  call void @RELAX
  ret void
}
"""
_PAUSE = ("llvm.x86.sse2.pause()", "llvm.x86.sse2.pause()")
_ISB = ("llvm.aarch64.isb(i32)", "llvm.aarch64.isb(i32 15)")  # most cores ignore `yield`

_POOL = """
declare i32 @sched_yield()
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(ptr, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)

; Take pieces of the open job until none is left.
define internal void @take(ptr %pool, i64 %index) nounwind {
  %function.p = getelementptr i8, ptr %pool, i64 $POOL.function
  %function = load ptr, ptr %function.p
  %buffers.p = getelementptr i8, ptr %pool, i64 $POOL.buffers
  %buffers = load ptr, ptr %buffers.p
  %params.p = getelementptr i8, ptr %pool, i64 $POOL.params
  %params = load ptr, ptr %params.p
  %base.p = getelementptr i8, ptr %pool, i64 $POOL.scratch
  %base = load ptr, ptr %base.p
  %stride.p = getelementptr i8, ptr %pool, i64 $POOL.stride
  %stride = load i64, ptr %stride.p
  %offset = mul i64 %stride, %index
  %scratch = getelementptr i8, ptr %base, i64 %offset
  %chunks.p = getelementptr i8, ptr %pool, i64 $POOL.chunks
  %chunks = load i64, ptr %chunks.p
  %piece.p = getelementptr i8, ptr %pool, i64 $POOL.piece
  %piece = load i64, ptr %piece.p
  %next.p = getelementptr i8, ptr %pool, i64 $POOL.next
  br label %more
more:
  %begin = atomicrmw add ptr %next.p, i64 %piece monotonic
  %some = icmp slt i64 %begin, %chunks
  br i1 %some, label %run, label %none
run:
  %far = add i64 %begin, %piece
  %over = icmp sgt i64 %far, %chunks
  %end = select i1 %over, i64 %chunks, i64 %far
  call void %function(ptr %buffers, ptr %params, ptr %scratch, i64 %begin, i64 %end)
  br label %more
none:
  ret void
}

define internal ptr @worker(ptr %self) nounwind {
entry:
  %pool.p = getelementptr i8, ptr %self, i64 $WORKER.pool
  %pool = load ptr, ptr %pool.p
  %index.p = getelementptr i8, ptr %self, i64 $WORKER.index
  %index = load i64, ptr %index.p
  %stop.p = getelementptr i8, ptr %pool, i64 $POOL.stop
  %sleepers.p = getelementptr i8, ptr %pool, i64 $POOL.sleepers
  %spins.p = getelementptr i8, ptr %pool, i64 $POOL.spins
  br label %wait
wait:
  %done = phi i32 [-1, %entry], [%done, %spin], [%done, %slept], [%done, %enter], [%generation, %work]
  %turns = phi i64 [0, %entry], [%turns.1, %spin], [0, %slept], [%turns, %enter], [0, %work]
  %seen = load atomic i32, ptr %pool acquire, align 4
  %stop = load atomic i64, ptr %stop.p acquire, align 8
  %stopped = icmp ne i64 %stop, 0
  br i1 %stopped, label %leave, label %look
look:
  %open.bit = and i32 %seen, 32768
  %open = icmp ne i32 %open.bit, 0
  %generation = lshr i32 %seen, 16
  %new = icmp ne i32 %generation, %done
  %go = and i1 %open, %new
  br i1 %go, label %enter, label %idle
enter:
  %entered = add i32 %seen, 1
  %swap = cmpxchg ptr %pool, i32 %seen, i32 %entered acq_rel acquire
  %won = extractvalue { i32, i1 } %swap, 1
  br i1 %won, label %work, label %wait
work:
  call void @take(ptr %pool, i64 %index)
  %ignored = atomicrmw sub ptr %pool, i32 1 acq_rel
  br label %wait
idle:
  %spins = load i64, ptr %spins.p
  %patient = icmp slt i64 %turns, %spins
  br i1 %patient, label %spin, label %sleep
spin:
  %turns.1 = add i64 %turns, 1
  call void @relax()
  br label %wait
sleep:
  %ignored.1 = atomicrmw add ptr %sleepers.p, i64 1 seq_cst
  %now = load atomic i64, ptr %stop.p seq_cst, align 8
  %now.stopped = icmp ne i64 %now, 0
  br i1 %now.stopped, label %slept, label %down
down:
  call void @park(ptr %pool, i32 %seen)
  br label %slept
slept:
  %ignored.2 = atomicrmw sub ptr %sleepers.p, i64 1 seq_cst
  br label %wait
leave:
  ret ptr null
}

; Start the workers that are missing.  The caller owns the pool.  With fewer it works as well.
define internal void @start_workers(ptr %pool) nounwind {
entry:
  %full = alloca [256 x i8], align 16
  %old = alloca [256 x i8], align 16
  %threads.p = getelementptr i8, ptr %pool, i64 $POOL.threads
  %threads = load i64, ptr %threads.p
  %started.p = getelementptr i8, ptr %pool, i64 $POOL.started
  %have = load i64, ptr %started.p
  %workers = getelementptr i8, ptr %pool, i64 $POOL.workers
  call i32 @sigfillset(ptr %full)
  call i32 @pthread_sigmask(i32 SETMASK, ptr %full, ptr %old)
  br label %more
more:
  %count = phi i64 [%have, %entry], [%index, %created]
  %index = add i64 %count, 1
  %missing = icmp slt i64 %index, %threads
  br i1 %missing, label %create, label %done
create:
  %place = mul i64 %count, WORKER_BYTES
  %self = getelementptr i8, ptr %workers, i64 %place
  %pool.p = getelementptr i8, ptr %self, i64 $WORKER.pool
  store ptr %pool, ptr %pool.p
  %index.p = getelementptr i8, ptr %self, i64 $WORKER.index
  store i64 %index, ptr %index.p
  %handle.p = getelementptr i8, ptr %self, i64 $WORKER.handle
  %error = call i32 @pthread_create(ptr %handle.p, ptr null, ptr @worker, ptr %self)
  %failed = icmp ne i32 %error, 0
  br i1 %failed, label %done, label %created
created:
  store i64 %index, ptr %started.p
  br label %more
done:
  call i32 @pthread_sigmask(i32 SETMASK, ptr %old, ptr null)
  ret void
}

; Run one launch on the pool.  The caller owns it.
define void @graphtorch_parallel(ptr %pool, ptr %function, ptr %buffers, ptr %params, ptr %scratch,
                                 i64 %stride, i64 %chunks, i64 %piece) nounwind {
entry:
  %threads.p = getelementptr i8, ptr %pool, i64 $POOL.threads
  %threads = load i64, ptr %threads.p
  %started.p = getelementptr i8, ptr %pool, i64 $POOL.started
  %started = load i64, ptr %started.p
  %all = add i64 %started, 1
  %missing = icmp slt i64 %all, %threads
  br i1 %missing, label %start, label %fill
start:
  call void @start_workers(ptr %pool)
  br label %fill
fill:
  %function.p = getelementptr i8, ptr %pool, i64 $POOL.function
  store ptr %function, ptr %function.p
  %buffers.p = getelementptr i8, ptr %pool, i64 $POOL.buffers
  store ptr %buffers, ptr %buffers.p
  %params.p = getelementptr i8, ptr %pool, i64 $POOL.params
  store ptr %params, ptr %params.p
  %scratch.p = getelementptr i8, ptr %pool, i64 $POOL.scratch
  store ptr %scratch, ptr %scratch.p
  %stride.p = getelementptr i8, ptr %pool, i64 $POOL.stride
  store i64 %stride, ptr %stride.p
  %chunks.p = getelementptr i8, ptr %pool, i64 $POOL.chunks
  store i64 %chunks, ptr %chunks.p
  %piece.p = getelementptr i8, ptr %pool, i64 $POOL.piece
  store i64 %piece, ptr %piece.p
  %next.p = getelementptr i8, ptr %pool, i64 $POOL.next
  store atomic i64 0, ptr %next.p monotonic, align 8
  %before = load atomic i32, ptr %pool monotonic, align 4
  %old = lshr i32 %before, 16
  %new = add i32 %old, 1
  %high = shl i32 %new, 16
  %opened = or i32 %high, 32768
  %ignored = atomicrmw xchg ptr %pool, i32 %opened seq_cst
  %sleepers.p = getelementptr i8, ptr %pool, i64 $POOL.sleepers
  %sleepers = load atomic i64, ptr %sleepers.p seq_cst, align 8
  %asleep = icmp sgt i64 %sleepers, 0
  br i1 %asleep, label %rouse, label %work
rouse:
  %rest = sub i64 %chunks, 1
  %pieces = sdiv i64 %rest, %piece
  %few = icmp slt i64 %pieces, 1024
  %count = select i1 %few, i64 %pieces, i64 1024
  %count.32 = trunc i64 %count to i32
  call void @wake(ptr %pool, i32 %count.32)
  br label %work
work:
  call void @take(ptr %pool, i64 0)
  %closed = atomicrmw and ptr %pool, i32 -32769 acq_rel
  br label %wait
wait:
  %turns = phi i64 [0, %work], [%turns.1, %relax], [%turns.1, %yield]
  %state = load atomic i32, ptr %pool acquire, align 4
  %active = and i32 %state, 32767
  %busy = icmp ne i32 %active, 0
  br i1 %busy, label %again, label %done
again:
  %turns.1 = add i64 %turns, 1
  %patient = icmp slt i64 %turns, 4000
  br i1 %patient, label %relax, label %yield
relax:
  call void @relax()
  br label %wait
yield:
  call i32 @sched_yield()
  br label %wait
done:
  ret void
}

; Turn a word from 0 to 1: 1 if the caller did, 0 if it was not 0.
define i64 @graphtorch_claim(ptr %word) nounwind {
  %swap = cmpxchg ptr %word, i64 0, i64 1 acq_rel acquire
  %won = extractvalue { i64, i1 } %swap, 1
  %result = zext i1 %won to i64
  ret i64 %result
}

; 1 if the pool is the caller's from now on, 0 if another thread has it.
define i64 @graphtorch_acquire(ptr %pool) nounwind {
  %owner.p = getelementptr i8, ptr %pool, i64 $POOL.owner
  %result = call i64 @graphtorch_claim(ptr %owner.p)
  ret i64 %result
}

define void @graphtorch_release(ptr %pool) nounwind {
  %owner.p = getelementptr i8, ptr %pool, i64 $POOL.owner
  store atomic i64 0, ptr %owner.p release, align 8
  ret void
}

; End all workers and wait for them.  The caller owns the pool.
define void @graphtorch_stop(ptr %pool) nounwind {
entry:
  %stop.p = getelementptr i8, ptr %pool, i64 $POOL.stop
  store atomic i64 1, ptr %stop.p seq_cst, align 8
  %ignored = atomicrmw add ptr %pool, i32 65536 seq_cst
  call void @wake(ptr %pool, i32 1024)
  %started.p = getelementptr i8, ptr %pool, i64 $POOL.started
  %started = load i64, ptr %started.p
  %workers = getelementptr i8, ptr %pool, i64 $POOL.workers
  br label %more
more:
  %count = phi i64 [0, %entry], [%count.1, %join]
  %some = icmp slt i64 %count, %started
  br i1 %some, label %join, label %done
join:
  %place = mul i64 %count, WORKER_BYTES
  %self = getelementptr i8, ptr %workers, i64 %place
  %handle.p = getelementptr i8, ptr %self, i64 $WORKER.handle
  %handle = load ptr, ptr %handle.p
  call i32 @pthread_join(ptr %handle, ptr null)
  %count.1 = add i64 %count, 1
  br label %more
done:
  store i64 0, ptr %started.p
  store atomic i64 0, ptr %stop.p seq_cst, align 8
  ret void
}
"""

EXPORTS = (
    "graphtorch_parallel", "graphtorch_claim", "graphtorch_acquire", "graphtorch_release",
    "graphtorch_stop",
)  # fmt: skip


def pool_text(x86: bool, system: str = sys.platform) -> str:
    """LLVM text of the pool for an operating system ("linux", "darwin")."""
    if system not in _WAIT:
        raise UnsupportedError(f"graphtorch's thread pool runs on Linux and macOS, not on {system}")
    text = _WAIT[system].replace("FUTEX", "202" if x86 else "98")
    declared, call = _PAUSE if x86 else _ISB
    text += _RELAX.replace("DECLARED", declared).replace("RELAX", call)
    text += _POOL.replace("SETMASK", "2" if system == "linux" else "3")
    return expand(text.replace("WORKER_BYTES", str(WORKER.nbytes)), POOL=POOL, WORKER=WORKER)
