#include "tests/tools/check_tensors.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/harness.h"

void open_scratch_file(struct file_view *view, const char *name) {
    char path[512];
    struct error err;
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    enum status status = file_view_open(view, path, 0, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

double compare_tensors(const char *name, const char *other) {
    struct file_view views[2];
    uint64_t header = 0;
    double largest = 0;
    double difference = 0;
    open_scratch_file(&views[0], name);
    open_scratch_file(&views[1], other);
    memcpy(&header, views[0].data, sizeof header);
    int64_t begin = (int64_t)(sizeof header + header);
    REQUIRE(begin < views[0].size && views[0].size == views[1].size);
    for (int64_t i = begin; i + 4 <= views[0].size; i += 4) {
        float a = 0;
        float b = 0;
        memcpy(&a, views[0].data + i, sizeof a);
        memcpy(&b, views[1].data + i, sizeof b);
        largest = fmax(largest, fabs((double)a));
        difference = fmax(difference, fabs((double)a - (double)b));
    }
    file_view_close(&views[0]);
    file_view_close(&views[1]);
    REQUIRE(largest > 0);
    return difference / largest;
}
