#include "base/file_view.h"

#include <fcntl.h>
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

static void overwrite(const char *path, const char *text) {
    FILE *file = fopen(path, "r+");
    REQUIRE(file);
    fputs(text, file);
    EXPECT_INT(fclose(file), 0);
}

static void changed(void) {
    struct file_view view;
    struct file_view none = {0};
    struct error err = {0};
    const char *path = scratch_path("old");
    EXPECT(!file_view_changed(&none));
    EXPECT_OK(output_save(path, "12345", 5, &err), &err);
    // So that the next writing has another time.
    const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    REQUIRE(utimensat(AT_FDCWD, path, long_ago, 0) == 0);
    EXPECT_OK(file_view_open(&view, path, 0, &err), &err);
    EXPECT(!file_view_changed(&view));
    // Another file of the same name.
    EXPECT_OK(output_save(path, "1", 1, &err), &err);
    EXPECT(!file_view_changed(&view));
    EXPECT(memcmp(view.data, "12345", 5) == 0);
    file_view_close(&view);

    EXPECT_OK(output_save(path, "12345", 5, &err), &err);
    REQUIRE(utimensat(AT_FDCWD, path, long_ago, 0) == 0);
    EXPECT_OK(file_view_open(&view, path, 0, &err), &err);
    overwrite(path, "123");
    EXPECT(file_view_changed(&view));
    file_view_close(&view);
    REQUIRE(utimensat(AT_FDCWD, path, long_ago, 0) == 0);
    EXPECT_OK(file_view_open(&view, path, 0, &err), &err);
    overwrite(path, "1234567");
    REQUIRE(utimensat(AT_FDCWD, path, long_ago, 0) == 0);
    EXPECT(file_view_changed(&view));
    file_view_close(&view);
}

// A view holds a descriptor and gives it back.
static void descriptors(void) {
    struct error err = {0};
    struct file_view view;
    EXPECT_OK(output_save(scratch_path("full"), "1", 1, &err), &err);
    EXPECT_OK(output_save(scratch_path("empty"), "", 0, &err), &err);
    int free_one = dup(0);
    REQUIRE(free_one >= 0);
    close(free_one);
    EXPECT_OK(file_view_open(&view, scratch_path("full"), 0, &err), &err);
    file_view_close(&view);
    EXPECT_OK(file_view_open(&view, scratch_path("empty"), 0, &err), &err);
    file_view_close(&view);
    EXPECT_STATUS(file_view_open(&view, "/dev/null", 0, &err), STATUS_NO_INPUT, &err);
    int next = dup(0);
    EXPECT_INT(next, free_one);
    close(next);
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
                         {"changed", changed},
                         {"descriptors", descriptors},
                         {0},
                     });
}
