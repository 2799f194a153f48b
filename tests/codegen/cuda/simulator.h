// Runs CUDA C on the CPU, for tests: one fiber per CUDA thread, one block at a time.
//
// A fiber runs until it reaches __syncthreads; then the next one runs, in forward, reverse or random
// order.  Shared memory is filled with 0xff before every block, so that reading what nobody wrote
// gives NaN or -1.  A block whose threads wait at different barriers, or of which some threads have
// returned while others wait, is an error.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#define GT_SIMULATOR 1
#define __global__
#define __device__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __restrict__
#define __shared__ static __attribute__((section("gtshared"), aligned(16)))

extern "C" {
extern unsigned char __start_gtshared[] __attribute__((weak));
extern unsigned char __stop_gtshared[] __attribute__((weak));
}

namespace sim {

struct Index { unsigned x, y, z; };
constexpr size_t STACK = 64 * 1024;

#if defined(__x86_64__)
using Context = void*;
extern "C" void sim_switch(void** save, void* load);
asm(R"(
.text
.local sim_switch
.type sim_switch,@function
sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size sim_switch, .-sim_switch
)");
static void prepare(Context& c, unsigned char* stack, void (*start)()) {
  void** top = (void**)(stack + STACK);
  *--top = nullptr;  // keeps the stack aligned as after a call
  *--top = (void*)start;
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  c = top;
}
static void change(Context& from, Context& to) { sim_switch(&from, to); }
#else
using Context = ucontext_t;
static void prepare(Context& c, unsigned char* stack, void (*start)()) {
  getcontext(&c);
  c.uc_stack.ss_sp = stack;
  c.uc_stack.ss_size = STACK;
  c.uc_link = nullptr;
  makecontext(&c, start, 0);
}
static void change(Context& from, Context& to) { swapcontext(&from, &to); }
#endif

struct Fiber {
  Context context;
  Index thread;
  bool done;
  int line;  // of the barrier it waits at, 0: it runs
};

static Index block_index, block_size, grid_size;
static std::vector<Fiber> fibers;
static std::vector<unsigned> order;  // the order in which fibers run
static unsigned position;            // of the running fiber in `order`
static Fiber* running;
static Context home;
static void (*body)(void*);
static void* arguments;
static char message[256];

// Goes to the next fiber that can run, or home if there is none in this round.
static void next(Fiber* me) {
  while (++position < order.size()) {
    Fiber* f = &fibers[order[position]];
    if (f->done) continue;
    running = f;
    change(me->context, f->context);
    return;
  }
  running = nullptr;
  change(me->context, home);
}

static void start() {
  body(arguments);
  Fiber* me = running;
  me->done = true;
  next(me);
  abort();
}

static void barrier(int line) {
  Fiber* me = running;
  me->line = line;
  next(me);
  me->line = 0;
}

// One block: rounds from barrier to barrier.
static bool run_block() {
  memset(__start_gtshared, 0xff, __stop_gtshared - __start_gtshared);
  for (;;) {
    position = 0;
    unsigned first = 0;
    while (first < order.size() && fibers[order[first]].done) ++first;
    if (first == order.size()) return true;
    position = first;
    running = &fibers[order[first]];
    change(home, running->context);
    int line = -1;
    unsigned done = 0;
    for (Fiber& f : fibers) {
      done += f.done;
      if (f.done) continue;
      if (line >= 0 && f.line != line) {
        snprintf(message, sizeof message, "threads wait at lines %d and %d", line, f.line);
        return false;
      }
      line = f.line;
    }
    if (done && done < fibers.size()) {
      snprintf(message, sizeof message, "%u threads returned while others wait at line %d", done, line);
      return false;
    }
  }
}

static int launch(const unsigned* grid, unsigned threads, int kind, void (*f)(void*), void* arg) {
  if (threads == 0 || threads > 1024 || __stop_gtshared - __start_gtshared > 48 * 1024) {
    snprintf(message, sizeof message, "%u threads, %ld bytes of shared memory", threads,
             (long)(__stop_gtshared - __start_gtshared));
    return 1;
  }
  message[0] = 0;
  body = f, arguments = arg;
  grid_size = {grid[0], grid[1], 1}, block_size = {threads, 1, 1};
  fibers.resize(threads), order.resize(threads);
  std::vector<unsigned char> stacks(threads * STACK + 64);
  unsigned char* stack = stacks.data() + (64 - (uintptr_t)stacks.data() % 64);
  const size_t blocks = (size_t)grid[0] * grid[1];
  uint32_t random = 12345u + kind;
  for (size_t n = 0; n < blocks; ++n) {
    const size_t b = kind == 1 ? blocks - 1 - n : n;
    block_index = {(unsigned)(b % grid[0]), (unsigned)(b / grid[0]), 0};
    for (unsigned i = 0; i < threads; ++i) order[i] = kind == 1 ? threads - 1 - i : i;
    for (unsigned i = threads - 1; kind >= 2 && i > 0; --i) {
      random = random * 1664525u + 1013904223u;
      std::swap(order[i], order[(random >> 8) % (i + 1)]);
    }
    for (unsigned i = 0; i < threads; ++i) {
      fibers[i].thread = {i, 0, 0}, fibers[i].done = false, fibers[i].line = 0;
      prepare(fibers[i].context, stack + i * STACK, start);
    }
    if (!run_block()) return 2;
  }
  return 0;
}

template <class... A, size_t... I>
static void call(void (*f)(A...), void** a, std::index_sequence<I...>) {
  f(*reinterpret_cast<std::remove_reference_t<A>*>(a[I])...);
}
template <class... A> static void spread(void (*f)(A...), void** a) {
  call(f, a, std::index_sequence_for<A...>{});
}

}  // namespace sim

#define threadIdx (sim::running->thread)
#define blockIdx sim::block_index
#define blockDim sim::block_size
#define gridDim sim::grid_size
#define __syncthreads() sim::barrier(__LINE__)
#define GT_EXPORT(name)                                                                    \
  static void sim_run_##name(void* a) { sim::spread(&name, (void**)a); }                   \
  extern "C" int sim_launch_##name(const unsigned* grid, unsigned threads, int kind, void** a) { \
    return sim::launch(grid, threads, kind, sim_run_##name, a);                            \
  }

extern "C" const char* sim_message() { return sim::message; }

template <class T> static inline T atomicCAS(T* p, T old, T value) {
  T found = *p;
  if (found == old) *p = value;
  return found;
}
template <class To, class From> static inline To sim_bits(From x) {
  To y;
  memcpy(&y, &x, sizeof y);
  return y;
}
static inline int __float_as_int(float x) { return sim_bits<int>(x); }
static inline float __int_as_float(int x) { return sim_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return sim_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return sim_bits<double>(x); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }

static double erfinv(double y) {
  if (!(fabs(y) < 1)) return fabs(y) == 1 ? copysign(INFINITY, y) : NAN;
  double w = -log1p(-y * y), x = w < 5 ? y * (1.501 + 0.2466 * (w - 2.5)) : copysign(sqrt(w), y);
  for (int i = 0; i < 60; ++i) {
    double gap = fabs(y) < 0.5 ? erf(x) - y : copysign(1, y) * (1 - fabs(y) - erfc(fabs(x)));
    double step = gap * 0.886226925452758 * exp(fmin(x * x, 700.0));
    x -= fmax(fmin(step, 0.5), -0.5);
    if (fabs(step) < 1e-17 * fabs(x)) break;
  }
  return x;
}
static inline float erfinvf(float x) { return (float)erfinv(x); }

static inline float gt_from_f16(unsigned short h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const float sign = h & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  return exponent ? sign * ldexpf(1024 + fraction, exponent - 25) : sign * ldexpf(fraction, -24);
}
static inline unsigned short gt_to_f16(float x) {
  const unsigned short sign = std::signbit(x) ? 0x8000 : 0;
  x = fabsf(x);
  if (x != x) return sign | 0x7e00;
  if (x == 0) return sign;
  if (x >= 65520.0f) return sign | 0x7c00;
  int exponent = 0;
  frexpf(x, &exponent);
  const int shift = exponent < -13 ? 24 : 11 - exponent;        // units in the last place
  const int units = (int)nearbyintf(ldexpf(x, shift));
  return sign | (unsigned short)(exponent < -13 ? units : units + ((exponent + 13) << 10));
}
