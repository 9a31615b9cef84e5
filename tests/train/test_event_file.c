// Event files: byte for byte what TensorBoard's own code writes (tests/oracle/event_file.py makes
// the files in events/, and reads them with TensorBoard).
#include "train/event_file.h"

#include <math.h>
#include <stdio.h>

#include "base/file_view.h"
#include "base/output.h"
#include "tests/harness.h"

#define FIRST  "events.out.tfevents.1700000000.host"
#define SECOND "events.out.tfevents.1700000100.host"

static void expect_golden(const char *name) {
    char path[PATH_BYTES];
    struct file_view ours;
    struct file_view golden;
    struct error err;
    EXPECT_OK(path_join(path, scratch_folder(), name, &err), &err);
    REQUIRE(file_view_open(&ours, path, 0, &err) == STATUS_OK);
    EXPECT_OK(path_join(path, TESTS_DIR "/train/events", name, &err), &err);
    REQUIRE(file_view_open(&golden, path, 0, &err) == STATUS_OK);
    EXPECT_INT(ours.size, golden.size);
    EXPECT(ours.size == golden.size && equal_bits(ours.data, golden.data, (size_t)ours.size));
    file_view_close(&ours);
    file_view_close(&golden);
}

static void write_scalars(struct event_file *events, double time, int64_t step,
                          const struct event_scalar *scalars, int64_t count) {
    struct error err;
    EXPECT_OK(event_file_write(events, time, step, scalars, count, &err), &err);
}

static void new_run(void) {
    char long_tag[201];
    struct event_file events;
    struct error err;
    memset(long_tag, 't', sizeof long_tag - 1);
    long_tag[sizeof long_tag - 1] = '\0';
    REQUIRE(event_file_open(&events, scratch_folder(), "host", 1700000000.25, 0, &err) ==
            STATUS_OK);
    write_scalars(&events, 1700000001.5, 1,
                  (struct event_scalar[]){{"loss/total", 4.25},
                                          {"undefined", (double)NAN}, // left out
                                          {"loss/mask", 0.1},
                                          {"infinite", (double)INFINITY},
                                          {"learning_rate", 1e-30}},
                  5);
    write_scalars(&events, 1700000002.5, 200,
                  (struct event_scalar[]){{"loss/total", -2}, {"größe", 3}}, 2);
    write_scalars(&events, 1700000003.5, 300,
                  (struct event_scalar[]){{"loss/total", 1}, {long_tag, 16777216}}, 2);
    event_file_close(&events);
    expect_golden(FIRST);
}

static void resumed_run(void) {
    struct event_file events;
    struct error err;
    REQUIRE(event_file_open(&events, scratch_folder(), "host", 1700000100, 201, &err) == STATUS_OK);
    write_scalars(&events, 1700000101, 250, &(struct event_scalar){"loss/total", 1.5}, 1);
    write_scalars(&events, 1700000102, INT64_C(1) << 40, &(struct event_scalar){"loss/total", 1.25},
                  1);
    event_file_close(&events);
    event_file_close(&events); // a second time is fine
    expect_golden(SECOND);
}

// Runs of the same second do not write into one another's files.
static void taken_name(void) {
    struct event_file events[2];
    struct error err;
    for (int i = 0; i < 2; i++)
        REQUIRE(event_file_open(&events[i], scratch_folder(), "h", 1e9, 0, &err) == STATUS_OK);
    EXPECT_CONTAINS(events[0].file.path, "/events.out.tfevents.1000000000.h");
    EXPECT_CONTAINS(events[1].file.path, "/events.out.tfevents.1000000001.h");
    for (int i = 0; i < 2; i++)
        event_file_close(&events[i]);
}

static void unwritable(void) {
    struct event_file events;
    struct error err;
    EXPECT_STATUS(event_file_open(&events, "/no/such/folder", "h", 1e9, 0, &err),
                  STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "/no/such/folder/events.out.tfevents.1000000000.h: cannot write");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"new_run", new_run},
                                          {"resumed_run", resumed_run},
                                          {"taken_name", taken_name},
                                          {"unwritable", unwritable},
                                          {0}});
}
