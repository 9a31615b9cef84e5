#include "base/file_view.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/output.h"
#include "tests/harness.h"

static const char *scratch_path(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

static void content(void) {
    struct file_view view;
    struct error err = {0};
    const char *path = scratch_path("text");
    EXPECT_OK(output_save(path, "ab\0c", 4, &err), &err);
    EXPECT_OK(file_view_open(&view, path, 0, &err), &err);
    REQUIRE(view.size == 4);
    EXPECT(memcmp(view.data, "ab\0c", 4) == 0);
    file_view_close(&view);
    EXPECT(!view.data && view.size == 0);
    file_view_close(&view);
}

static void empty_file(void) {
    struct file_view view;
    struct error err = {0};
    const char *path = scratch_path("empty");
    EXPECT_OK(output_save(path, "", 0, &err), &err);
    EXPECT_OK(file_view_open(&view, path, 1, &err), &err);
    EXPECT(!view.data);
    EXPECT_INT(view.size, 0);
    file_view_drop(&view, 0, 0);
    file_view_close(&view);
}

static void limit(void) {
    struct file_view view;
    struct error err = {0};
    const char *path = scratch_path("limited");
    EXPECT_OK(output_save(path, "12345", 5, &err), &err);
    EXPECT_OK(file_view_open(&view, path, 5, &err), &err);
    file_view_close(&view);
    EXPECT_STATUS(file_view_open(&view, path, 4, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "/limited: 5 bytes, more than the limit of 4");
    EXPECT(!view.data);
}

static void not_files(void) {
    static const struct {
        const char *path;
        const char *message;
    } cases[] = {
        {"/nowhere/x", "/nowhere/x: No such file or directory"},
        {"", ": No such file or directory"},
        {"/", "/: not a regular file"},
        {"/dev/zero", "/dev/zero: not a regular file"},
        {"/dev/null", "/dev/null: not a regular file"},
        {"/dev/null/x", "/dev/null/x: Not a directory"},
    };
    struct file_view view;
    struct error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        EXPECT_STATUS(file_view_open(&view, cases[i].path, 0, &err), STATUS_NO_INPUT, &err);
        EXPECT_TEXT(err.message, cases[i].message);
        EXPECT(!view.data);
    }
    EXPECT_STATUS(file_view_open(&view, "/nowhere/x", 0, NULL), STATUS_NO_INPUT, NULL);
}

// Without a writer, a plain open of a FIFO would wait for ever.
static void fifo(void) {
    struct file_view view;
    struct error err = {0};
    const char *path = scratch_path("fifo");
    REQUIRE(mkfifo(path, 0600) == 0);
    EXPECT_STATUS(file_view_open(&view, path, 0, &err), STATUS_NO_INPUT, &err);
    EXPECT_CONTAINS(err.message, "/fifo: not a regular file");
}

static void unreadable(void) {
    enum { NOBODY = 65534 };
    struct file_view view;
    struct error err = {0};
    const char *path = scratch_path("secret");
    EXPECT_OK(output_save(path, "x", 1, &err), &err);
    REQUIRE(chmod(path, 0) == 0);
    // The superuser can read everything.
    bool superuser = geteuid() == 0;
    if (superuser) REQUIRE(seteuid(NOBODY) == 0);
    EXPECT_STATUS(file_view_open(&view, path, 0, &err), STATUS_NO_INPUT, &err);
    EXPECT_CONTAINS(err.message, "/secret: Permission denied");
    if (superuser) REQUIRE(seteuid(0) == 0);
}

// Dropped pages are read again when touched.
static void drop(void) {
    enum { SIZE = 1 << 20 };
    struct file_view view;
    struct output out;
    struct error err = {0};
    const char *path = scratch_path("dropped");
    EXPECT_OK(output_open_file(&out, path, &err), &err);
    for (int i = 0; i < SIZE / 8; i++)
        output_printf(&out, "%08d", i);
    EXPECT_OK(output_commit(&out, &err), &err);
    EXPECT_OK(file_view_open(&view, path, 0, &err), &err);
    REQUIRE(view.size == SIZE);
    EXPECT(memcmp(view.data + 8 * 77, "00000077", 8) == 0);
    file_view_drop(&view, 0, SIZE);
    EXPECT(memcmp(view.data + 8 * 77, "00000077", 8) == 0);
    file_view_drop(&view, 1, SIZE - 1);
    file_view_drop(&view, 5, 6);
    EXPECT(memcmp(view.data + SIZE - 8, "00131071", 8) == 0);
    file_view_close(&view);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"content", content},
                         {"empty_file", empty_file},
                         {"limit", limit},
                         {"not_files", not_files},
                         {"fifo", fifo},
                         {"unreadable", unreadable},
                         {"drop", drop},
                         {0},
                     });
}
