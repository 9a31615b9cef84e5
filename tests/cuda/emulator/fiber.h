// Stacks to run on, switched by hand. With AddressSanitizer it is told of each switch.
#pragma once

struct fiber;

// One that will run main, which must never return. Ends the program if there is no memory.
fiber *fiber_create(void (*main)());

// The stack that the program came with.
fiber *fiber_of_program();

// Leaves the running fiber until somebody switches back to it.
void fiber_switch(fiber *from, fiber *to);

// Brings f's stack to the processor's cache.
void fiber_expect(const fiber *f);
