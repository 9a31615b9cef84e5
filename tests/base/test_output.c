#include "base/output.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

static char path[256];

// The path of name in the scratch folder; the text holds until the next call.
static const char *scratch_path(const char *name) {
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

static const char *content_of(const char *file_path) {
    static char content[1 << 20];
    FILE *file = fopen(file_path, "rb");
    if (!file) return NULL;
    size_t size = fread(content, 1, sizeof content - 1, file);
    content[size] = '\0';
    fclose(file);
    return content;
}

static bool is_any(const char *name) {
    (void)name;
    return true;
}

static int count_names(const char *folder, const char *prefix, bool (*counts)(const char *name)) {
    int count = 0;
    DIR *directory = opendir(folder);
    REQUIRE(directory);
    for (const struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && counts(entry->d_name);
    closedir(directory);
    return count;
}

// How many files whose names begin with prefix are in folder.
static int count_files(const char *folder, const char *prefix) {
    return count_names(folder, prefix, is_any);
}

static int count_temporaries(const char *folder, const char *prefix) {
    return count_names(folder, prefix, output_is_temporary);
}

static void memory(void) {
    struct output out;
    struct error err = {0};
    output_open_memory(&out);
    output_text(&out, "a");
    output_printf(&out, "%d%s", 12, "b");
    output_write(&out, "\0c", 2);
    EXPECT_INT(out.size, 6);
    EXPECT(memcmp(out.data, "a12b\0c", 7) == 0);
    EXPECT_OK(output_finish(&out, &err), &err);
    EXPECT_INT(out.size, 6); // still there
    output_discard(&out);
    EXPECT(!out.data);
}

// Lines on both sides of the size that output_printf formats without a second pass.
static void long_lines(void) {
    for (int size = 500; size < 530; size++) {
        struct output out;
        output_open_memory(&out);
        output_printf(&out, "%*d", size, 7);
        EXPECT_INT(out.size, size);
        EXPECT(out.data[size - 1] == '7' && out.data[size] == '\0' && out.data[0] == ' ');
        output_discard(&out);
    }
}

static void large_file(void) {
    struct output out;
    struct error err = {0};
    const char *file = scratch_path("large");
    EXPECT_OK(output_open_file(&out, file, &err), &err);
    for (int i = 0; i < 100000; i++)
        output_printf(&out, "%08d\n", i);
    EXPECT_OK(output_commit(&out, &err), &err);
    struct stat info;
    REQUIRE(stat(file, &info) == 0);
    EXPECT_INT(info.st_size, 900000);
    EXPECT_CONTAINS(content_of(file), "\n00077777\n00077778\n");
    output_discard(&out); // safe after commit
}

static void commit_replaces(void) {
    struct output out;
    struct error err = {0};
    const char *file = scratch_path("replaced");
    EXPECT_OK(output_save(file, "old", 3, &err), &err);
    EXPECT_OK(output_open_file(&out, file, &err), &err);
    output_text(&out, "new text");
    EXPECT_TEXT(content_of(file), "old");
    EXPECT_OK(output_commit(&out, &err), &err);
    EXPECT_TEXT(content_of(file), "new text");
    EXPECT_INT(count_files(scratch_folder(), "replaced"), 1);
}

static void publish_replaces(void) {
    struct output out;
    struct error err = {0};
    const char *file = scratch_path("published");
    EXPECT_OK(output_save(file, "old", 3, &err), &err);
    EXPECT_OK(output_open_file(&out, file, &err), &err);
    output_text(&out, "new text");
    EXPECT_TEXT(content_of(file), "old");
    EXPECT_OK(output_publish(&out, &err), &err);
    EXPECT_TEXT(content_of(file), "new text");
    EXPECT_INT(count_files(scratch_folder(), "published"), 1);
}

static void discard_keeps_the_old(void) {
    struct output out;
    struct error err = {0};
    const char *file = scratch_path("discarded");
    EXPECT_OK(output_save(file, "old", 3, &err), &err);
    EXPECT_OK(output_open_file(&out, file, &err), &err);
    output_text(&out, "new");
    output_discard(&out);
    EXPECT_TEXT(content_of(file), "old");
    EXPECT_INT(count_files(scratch_folder(), "discarded"), 1);
}

// A program that dies between open and commit leaves the old file as it was.
static void killed_before_commit(void) {
    struct error err = {0};
    const char *file = scratch_path("killed");
    EXPECT_OK(output_save(file, "old", 3, &err), &err);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        struct output out;
        if (output_open_file(&out, file, &err) != STATUS_OK) _exit(1);
        for (int i = 0; i < 100000; i++) // enough to be flushed in part
            output_text(&out, "new ");
        (void)raise(SIGKILL);
        _exit(1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    EXPECT_TEXT(content_of(file), "old");
    EXPECT_INT(count_temporaries(scratch_folder(), "killed"), 1);
}

static void temporary_names(void) {
    EXPECT(output_is_temporary("run.json.tmp.0123abcd"));
    EXPECT(!output_is_temporary("run.json"));
    EXPECT(!output_is_temporary("run.json.tmp.0123abc"));
    EXPECT(!output_is_temporary("run.json.tmp.0123abcg"));
    EXPECT(!output_is_temporary("run.json.tmp.0123abcd0"));
    EXPECT(!output_is_temporary("run.json-tmp-0123abcd"));
    EXPECT(!output_is_temporary("0123abcd"));
    EXPECT(!output_is_temporary(""));
}

static void permissions(void) {
    struct error err = {0};
    struct stat info;
    mode_t old_mask = umask(0027);
    EXPECT_OK(output_save(scratch_path("mode"), "x", 1, &err), &err);
    EXPECT_INT(umask(old_mask), 0027);
    REQUIRE(stat(path, &info) == 0);
    EXPECT_INT(info.st_mode & 0777, 0640);
}

static void links_stay_links(void) {
    struct error err = {0};
    struct stat info;
    char link[300];
    EXPECT_OK(output_save(scratch_path("target"), "old", 3, &err), &err);
    snprintf(link, sizeof link, "%s/link", scratch_folder());
    REQUIRE(symlink("target", link) == 0);
    EXPECT_OK(output_save(link, "new", 3, &err), &err);
    REQUIRE(lstat(link, &info) == 0);
    EXPECT(S_ISLNK(info.st_mode));
    EXPECT_TEXT(content_of(scratch_path("target")), "new");
    EXPECT_INT(count_files(scratch_folder(), "link"), 1);
}

// Renaming over these would destroy them.
static void devices_and_folders_are_refused(void) {
    struct error err = {0};
    struct stat info;
    EXPECT_STATUS(output_save("/dev/null", "x", 1, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_TEXT(err.message, "/dev/null: cannot write: not a regular file");
    REQUIRE(stat("/dev/null", &info) == 0);
    EXPECT(S_ISCHR(info.st_mode));
    EXPECT_STATUS(output_save(scratch_folder(), "x", 1, &err), STATUS_CANNOT_WRITE, &err);
    REQUIRE(mkfifo(scratch_path("fifo"), 0600) == 0);
    EXPECT_STATUS(output_save(path, "x", 1, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_STATUS(output_save(path, "x", 1, NULL), STATUS_CANNOT_WRITE, NULL);
}

static void missing_folder(void) {
    struct error err = {0};
    EXPECT_STATUS(output_save("/nowhere/at/all", "x", 1, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_TEXT(err.message, "/nowhere/at/all: cannot write: No such file or directory");
}

static void read_only_folder(void) {
    enum { NOBODY = 65534 };
    struct error err = {0};
    const char *folder = scratch_path("read_only");
    REQUIRE(mkdir(folder, 0500) == 0);
    char file[300];
    snprintf(file, sizeof file, "%s/x", folder);
    // The superuser can write everywhere.
    bool superuser = geteuid() == 0;
    if (superuser) REQUIRE(seteuid(NOBODY) == 0);
    EXPECT_STATUS(output_save(file, "x", 1, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "/read_only/x: cannot write: Permission denied");
    if (superuser) REQUIRE(seteuid(0) == 0);
}

static void read_only_file_system(void) {
    struct error err = {0};
    EXPECT_STATUS(output_save("/proc/gctmask", "x", 1, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "/proc/gctmask: cannot write: ");
}

// The first failure is kept, later writes do nothing, and it is reported once.
static void full_disk(void) {
    struct output out;
    struct error err = {0};
    int descriptor = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) skip_case("there is no /dev/full");
    output_open_descriptor(&out, descriptor);
    for (int i = 0; i < 1000000; i++)
        output_text(&out, "a line of some length\n");
    EXPECT(out.capacity < 1 << 20); // does not pile up what cannot be written
    EXPECT_STATUS(output_finish(&out, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_TEXT(err.message, "output: cannot write: No space left on device");
    output_discard(&out);
    EXPECT_INT(close(descriptor), 0); // it stayed open
}

// The old file survives, and no part of the new one stays.
static void full_disk_keeps_the_old_file(void) {
    struct error err = {0};
    const char *file = scratch_path("limited");
    EXPECT_OK(output_save(file, "old", 3, &err), &err);
    struct output out;
    EXPECT_OK(output_open_file(&out, file, &err), &err);
    output_text(&out, "new");
    // Its descriptor is replaced by one on which every write fails.
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) {
        output_discard(&out);
        skip_case("there is no /dev/full");
    }
    REQUIRE(dup2(full, out.descriptor) >= 0);
    close(full);
    EXPECT_STATUS(output_commit(&out, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "/limited: cannot write: No space left on device");
    EXPECT_TEXT(content_of(file), "old");
    EXPECT_INT(count_files(scratch_folder(), "limited"), 1);
}

static void zeroed_struct(void) {
    struct output out = {0};
    output_discard(&out);
    output_discard(&out);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"memory", memory},
                         {"long_lines", long_lines},
                         {"large_file", large_file},
                         {"commit_replaces", commit_replaces},
                         {"publish_replaces", publish_replaces},
                         {"discard_keeps_the_old", discard_keeps_the_old},
                         {"killed_before_commit", killed_before_commit},
                         {"temporary_names", temporary_names},
                         {"permissions", permissions},
                         {"links_stay_links", links_stay_links},
                         {"devices_and_folders_are_refused", devices_and_folders_are_refused},
                         {"missing_folder", missing_folder},
                         {"read_only_folder", read_only_folder},
                         {"read_only_file_system", read_only_file_system},
                         {"full_disk", full_disk},
                         {"full_disk_keeps_the_old_file", full_disk_keeps_the_old_file},
                         {"zeroed_struct", zeroed_struct},
                         {0},
                     });
}
