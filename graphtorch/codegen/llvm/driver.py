"""The launch-list interpreter, as LLVM text: one native call runs a whole graph.

    CONTEXT   one planned instance of an executable: table of buffer pointers, launch records, arena
    LAUNCH    one record: function, operand indices, params, chunks, ...
    ARENA     one piece of memory for temporaries, lent to one call at a time

`graphtorch_run(context, first, last)` does the launches [first, last) in order: it gathers each
launch's pointers from the table and runs the kernel, on the pool if the launch is worth it and the
pool is free, else here.  After a launch that can fail it looks at the status words and stops at a
failure: nothing after it happens.  The result is -1, or the number of the launch that failed.

The blocks are arrays of 8-byte words that `executable` fills in; the names below are their layout.
"""

from __future__ import annotations

from .pool import POOL, Layout, expand

ARENA = Layout("busy base capacity")
CONTEXT = Layout(
    "busy arena base table arguments_count arguments rebase rebase_count launches launch_count "
    "max_operands flags arena_nbytes scratch_offset scratch_stride scratch_threads code index "
    "failing pool array_type refused failed"
)
LAUNCH = Layout("function operands count params chunks grain flags nanoseconds")
ARGUMENT = Layout("descr ndim flags dims slot")

# CONTEXT.flags
ANY_PARALLEL = 1  # some launch wants the pool
RELEASE_GIL = 2  # long enough to let other Python threads run
PROFILE = 4  # add each launch's time to its record
# LAUNCH.flags
PARALLEL = 1
FALLIBLE = 2

_DRIVER = """
declare i32 @clock_gettime(i32, ptr)

define internal i64 @nanoseconds() nounwind {
  %time = alloca [2 x i64], align 8
  call i32 @clock_gettime(i32 CLOCK, ptr %time)
  %seconds = load i64, ptr %time
  %rest.p = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %rest.p
  %scaled = mul i64 %seconds, 1000000000
  %sum = add i64 %scaled, %rest
  ret i64 %sum
}

define i64 @graphtorch_run(ptr %context, i64 %first, i64 %last) nounwind {
entry:
  %max.p = getelementptr i8, ptr %context, i64 $CONTEXT.max_operands
  %max = load i64, ptr %max.p
  %buffers = alloca ptr, i64 %max, align 16
  %table.p = getelementptr i8, ptr %context, i64 $CONTEXT.table
  %table = load ptr, ptr %table.p
  %launches.p = getelementptr i8, ptr %context, i64 $CONTEXT.launches
  %launches = load ptr, ptr %launches.p
  %flags.p = getelementptr i8, ptr %context, i64 $CONTEXT.flags
  %flags = load i64, ptr %flags.p
  %base.p = getelementptr i8, ptr %context, i64 $CONTEXT.base
  %base = load ptr, ptr %base.p
  %scratch.p = getelementptr i8, ptr %context, i64 $CONTEXT.scratch_offset
  %scratch.offset = load i64, ptr %scratch.p
  %scratch = getelementptr i8, ptr %base, i64 %scratch.offset
  %stride.p = getelementptr i8, ptr %context, i64 $CONTEXT.scratch_stride
  %stride = load i64, ptr %stride.p
  %status = getelementptr i8, ptr %context, i64 $CONTEXT.code
  %pool.p = getelementptr i8, ptr %context, i64 $CONTEXT.pool
  %pool = load ptr, ptr %pool.p
  %threads.p = getelementptr i8, ptr %pool, i64 $POOL.threads
  %threads = load i64, ptr %threads.p
  %parallel.bit = and i64 %flags, 1
  %wanted = icmp ne i64 %parallel.bit, 0
  %several = icmp sgt i64 %threads, 1
  %try = and i1 %wanted, %several
  br i1 %try, label %acquire, label %start
acquire:
  %got = call i64 @graphtorch_acquire(ptr %pool)
  %owner = icmp ne i64 %got, 0
  br label %start
start:
  %mine = phi i1 [false, %entry], [%owner, %acquire]
  %profile.bit = and i64 %flags, 4
  %profile = icmp ne i64 %profile.bit, 0
  br label %next
next:
  %number = phi i64 [%first, %start], [%number.1, %done]
  %some = icmp slt i64 %number, %last
  br i1 %some, label %launch, label %finish
launch:
  %place = mul i64 %number, LAUNCH_BYTES
  %record = getelementptr i8, ptr %launches, i64 %place
  %function.p = getelementptr i8, ptr %record, i64 $LAUNCH.function
  %function = load ptr, ptr %function.p
  %operands.p = getelementptr i8, ptr %record, i64 $LAUNCH.operands
  %operands = load ptr, ptr %operands.p
  %count.p = getelementptr i8, ptr %record, i64 $LAUNCH.count
  %count = load i64, ptr %count.p
  %params.p = getelementptr i8, ptr %record, i64 $LAUNCH.params
  %params = load ptr, ptr %params.p
  %chunks.p = getelementptr i8, ptr %record, i64 $LAUNCH.chunks
  %chunks = load i64, ptr %chunks.p
  %launch.flags.p = getelementptr i8, ptr %record, i64 $LAUNCH.flags
  %launch.flags = load i64, ptr %launch.flags.p
  br label %gather
gather:
  %k = phi i64 [0, %launch], [%k.1, %bind]
  %bound = icmp slt i64 %k, %count
  br i1 %bound, label %bind, label %gathered
bind:
  %slot.p = getelementptr i64, ptr %operands, i64 %k
  %slot = load i64, ptr %slot.p
  %source = getelementptr ptr, ptr %table, i64 %slot
  %pointer = load ptr, ptr %source
  %sink = getelementptr ptr, ptr %buffers, i64 %k
  store ptr %pointer, ptr %sink
  %k.1 = add i64 %k, 1
  br label %gather
gathered:
  %fallible.bit = and i64 %launch.flags, 2
  %fallible = icmp ne i64 %fallible.bit, 0
  br i1 %fallible, label %arm, label %clock
arm:
  store i64 0, ptr %status
  %status.sink = getelementptr ptr, ptr %buffers, i64 %count
  store ptr %status, ptr %status.sink
  br label %clock
clock:
  br i1 %profile, label %read.clock, label %choose
read.clock:
  %time = call i64 @nanoseconds()
  br label %choose
choose:
  %began = phi i64 [0, %clock], [%time, %read.clock]
  %spread.bit = and i64 %launch.flags, 1
  %spread = icmp ne i64 %spread.bit, 0
  %share = and i1 %spread, %mine
  br i1 %share, label %parallel, label %serial
parallel:
  %grain.p = getelementptr i8, ptr %record, i64 $LAUNCH.grain
  %grain = load i64, ptr %grain.p
  %parts = mul i64 %threads, 8
  %even = udiv i64 %chunks, %parts
  %larger = icmp sgt i64 %even, %grain
  %piece = select i1 %larger, i64 %even, i64 %grain
  call void @graphtorch_parallel(ptr %pool, ptr %function, ptr %buffers, ptr %params, ptr %scratch,
                                 i64 %stride, i64 %chunks, i64 %piece)
  br label %ran
serial:
  call void %function(ptr %buffers, ptr %params, ptr %scratch, i64 0, i64 %chunks)
  br label %ran
ran:
  br i1 %profile, label %stop.clock, label %check
stop.clock:
  %ended = call i64 @nanoseconds()
  %taken = sub i64 %ended, %began
  %sum.p = getelementptr i8, ptr %record, i64 $LAUNCH.nanoseconds
  %sum = load i64, ptr %sum.p
  %sum.1 = add i64 %sum, %taken
  store i64 %sum.1, ptr %sum.p
  br label %check
check:
  br i1 %fallible, label %judge, label %done
judge:
  %code = load atomic i64, ptr %status acquire, align 8
  %bad = icmp ne i64 %code, 0
  br i1 %bad, label %finish, label %done
done:
  %number.1 = add i64 %number, 1
  br label %next
finish:
  %result = phi i64 [-1, %next], [%number, %judge]
  br i1 %mine, label %release, label %leave
release:
  call void @graphtorch_release(ptr %pool)
  br label %leave
leave:
  ret i64 %result
}

; A kernel: copy params[0] bytes from buffers[0] to buffers[1], in chunks of params[1] bytes.
define void @graphtorch_copy(ptr %buffers, ptr %params, ptr %scratch, i64 %begin, i64 %end) nounwind {
  %source = load ptr, ptr %buffers
  %sink.p = getelementptr ptr, ptr %buffers, i64 1
  %sink = load ptr, ptr %sink.p
  %nbytes = load i64, ptr %params
  %chunk.p = getelementptr i64, ptr %params, i64 1
  %chunk = load i64, ptr %chunk.p
  %from = mul i64 %begin, %chunk
  %far = mul i64 %end, %chunk
  %over = icmp sgt i64 %far, %nbytes
  %to = select i1 %over, i64 %nbytes, i64 %far
  %length = sub i64 %to, %from
  %a = getelementptr i8, ptr %source, i64 %from
  %b = getelementptr i8, ptr %sink, i64 %from
  call void @llvm.memmove.p0.p0.i64(ptr %b, ptr %a, i64 %length, i1 false)
  ret void
}
declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)
"""

EXPORTS = ("graphtorch_run", "graphtorch_copy")
COPY_CHUNK = 1 << 17  # bytes; chunk of `graphtorch_copy`


def driver_text(system: str) -> str:
    """LLVM text of the interpreter; it calls the pool's functions."""
    text = _DRIVER.replace("LAUNCH_BYTES", str(LAUNCH.nbytes))
    text = text.replace("CLOCK", "1" if system == "linux" else "6")  # CLOCK_MONOTONIC
    return expand(text, POOL=POOL, CONTEXT=CONTEXT, LAUNCH=LAUNCH)
