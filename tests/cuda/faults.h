// Kernels with the faults that the emulator must find, and sound ones beside them. Each runs on
// memory of its own and returns whether its results are right.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

bool turn_with_barrier(void);
bool turn_without_barrier(void); // reads what other threads may not have written yet
bool ballots_and_shuffles(void); // of whole warps and of halves
bool last_block_adds_up(void);
bool some_block_adds_up(void); // what others may not have written yet
bool write_behind_end(void);
bool read_before_begin(void);
bool shared_behind_end(void);     // of dynamic shared memory
bool shuffle_with_absent(void);   // names a lane that never comes
bool shuffle_from_stranger(void); // reads from a lane that the mask does not name
bool barrier_in_a_branch(void);   // half of the threads wait at another line
bool barrier_after_an_end(void);  // a thread has left before
bool host_pointer(void);
bool host_reads_device(void);
bool use_mapped(void); // memory that is mapped piece by piece
bool host_reads_mapped(void);
bool write_behind_mapped(void);
bool read_pinned(bool waits); // what a copy brings there
bool uninitialised(void);     // counts on zeros
bool too_many_threads(void);
bool read_after_waiting(void); // sound, with launches that are deferred
bool copy_before_changing(void);
bool read_without_waiting(void);
bool write_without_waiting(void);
bool foreign_stream(void); // of another device than the thread's
// Of two streams, one uses what the other makes, and changes then.
bool used_and_changed_with_events(void);
bool used_without_event(void);
bool changed_without_event(void);
bool asked_until_done(void);
bool touch_beside_library(void); // of what a library uses, and of other memory
bool touch_what_library_uses(void);

#ifdef __cplusplus
}
#endif
