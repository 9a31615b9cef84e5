#include "fiber.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace {
constexpr size_t STACK_BYTES = 256 * 1024; // sanitizers make frames large; pages are used lazily
constexpr size_t GUARD_BYTES = 4096;
constexpr size_t LINE_BYTES = 64; // of the cache
} // namespace

struct alignas(64) fiber {
    void *stack_pointer; // while it does not run
    void (*main)();
    const void *stack; // the lowest address; of the program's own, known after the first switch
    size_t stack_bytes;
    fiber *came_from; // whom the last switch left
    fiber *older;     // all are kept for the next kernel, until the program ends
#ifndef __x86_64__
    ucontext_t context;
#endif
};

#ifdef __x86_64__
// Pushes what a function must preserve and pops the same of the other stack; but for the modes of
// rounding, which no kernel changes and which take longer than all else.
extern "C" void emulator_switch_stacks(void **save, void *to);
__asm__(".text\n"
        ".globl emulator_switch_stacks\n"
        ".hidden emulator_switch_stacks\n"
        ".type emulator_switch_stacks, @function\n"
        "emulator_switch_stacks:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size emulator_switch_stacks, .-emulator_switch_stacks\n");
#endif

static fiber *running;
static fiber *newest;

static fiber *keep(fiber *f) {
    f->older = newest;
    newest = f;
    return f;
}

static void arrive(void *fake_stack) {
#ifdef WITH_ASAN
    fiber *from = running->came_from;
    __sanitizer_finish_switch_fiber(fake_stack, &from->stack, &from->stack_bytes);
#else
    (void)fake_stack;
#endif
}

static void begin() {
    arrive(nullptr);
    running->main();
    abort();
}

fiber *fiber_of_program() {
    return keep(new fiber{});
}

fiber *fiber_create(void (*main)()) {
    fiber *f = keep(new fiber{});
    void *memory = mmap(nullptr, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, GUARD_BYTES, PROT_NONE) != 0) {
        fprintf(stderr, "emulator: no memory for a stack\n");
        abort();
    }
    f->main = main;
    f->stack = static_cast<char *>(memory) + GUARD_BYTES;
    f->stack_bytes = STACK_BYTES;
#ifdef __x86_64__
    // As emulator_switch_stacks leaves a stack: six registers, the address to go to, and what a
    // call would have aligned. Each begins at another line of a page, so that the cache holds more.
    static size_t num_stacks;
    size_t unused = num_stacks++ * 5 % (GUARD_BYTES / LINE_BYTES) * LINE_BYTES + 8;
    uint64_t *top = reinterpret_cast<uint64_t *>(static_cast<char *>(memory) + GUARD_BYTES +
                                                 STACK_BYTES - unused);
    *--top = reinterpret_cast<uint64_t>(begin);
    for (int i = 0; i < 6; i++)
        *--top = 0;
    f->stack_pointer = top;
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = const_cast<void *>(f->stack);
    f->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&f->context, begin, 0);
#endif
    return f;
}

void fiber_switch(fiber *from, fiber *to) {
    void *fake_stack = nullptr;
    to->came_from = from;
    running = to;
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&fake_stack, to->stack, to->stack_bytes);
#endif
#ifdef __x86_64__
    emulator_switch_stacks(&from->stack_pointer, to->stack_pointer);
#else
    swapcontext(&from->context, &to->context);
#endif
    arrive(fake_stack);
}

void fiber_expect(const fiber *f) {
    const char *sp = static_cast<const char *>(f->stack_pointer);
    __builtin_prefetch(sp);
    __builtin_prefetch(sp + 64);
    __builtin_prefetch(sp + 128);
    __builtin_prefetch(sp + 192);
}
