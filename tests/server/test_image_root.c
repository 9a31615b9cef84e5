// References of Label Studio's tasks: what is in the folder is found, nothing else.
#include "server/image_root.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/server/check_request.h"

static struct arena arena;
static struct error err;
static char root[128];

// A folder with images/a b.png, upload/1/c.jpg, a link and a pipe; and a picture beside it.
static void make_root(void) {
    char path[256];
    if (root[0]) return;
    snprintf(root, sizeof root, "%s/root", scratch_folder());
    static const char *const FOLDERS[] = {"", "/images", "/upload", "/upload/1"};
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
        snprintf(path, sizeof path, "%s%s", root, FOLDERS[i]);
        REQUIRE(mkdir(path, 0755) == 0);
    }
    static const char *const FILES[] = {"/images/a b.png", "/upload/1/c.jpg", "/../outside.png"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        const struct output *file = i == 1 ? test_jpeg() : test_png();
        snprintf(path, sizeof path, "%s%s", root, FILES[i]);
        EXPECT_OK(output_save(path, file->data, file->size, &err), &err);
    }
    snprintf(path, sizeof path, "%s/link.png", root);
    REQUIRE(symlink("../outside.png", path) == 0);
    snprintf(path, sizeof path, "%s/up", root);
    REQUIRE(symlink("..", path) == 0);
    snprintf(path, sizeof path, "%s/pipe", root);
    REQUIRE(mkfifo(path, 0644) == 0);
    snprintf(path, sizeof path, "%s/empty", root);
    EXPECT_OK(output_save(path, "", 0, &err), &err);
}

static void expect_code(const char *reference, const char *code) {
    struct picture picture;
    make_root();
    bool read = image_root_read(&picture, root, reference, 1 << 20, &arena);
    if (strcmp(fault_word(picture.fault.code), code) != 0) EXPECT_TEXT(reference, "");
    EXPECT_TEXT(fault_word(picture.fault.code), code);
    EXPECT_INT(read, code[0] == '\0');
    EXPECT(!strstr(picture.fault.message, root));
}

static void finds_files(void) {
    struct picture picture;
    make_root();
    expect_code("/data/local-files/?d=images/a%20b.png", "");
    expect_code("/data/local-files/?d=images/a+b.png", "");
    expect_code("/data/local-files/?d=/images//a%20b.png", "");
    expect_code("/data/local-files/?d=images%2Fa%20b.png", "");
    EXPECT(image_root_read(&picture, root, "/data/upload/1/c.jpg", 1 << 20, &arena));
    EXPECT_INT(picture.size, test_jpeg()->size);
    EXPECT(memcmp(picture.bytes, test_jpeg()->data, (size_t)picture.size) == 0);
}

static void finds_nothing_else(void) {
    static const char *const REFERENCES[] = {
        "/data/local-files/?d=../outside.png",
        "/data/local-files/?d=%2e%2e/outside.png",
        "/data/local-files/?d=images/../../outside.png",
        "/data/local-files/?d=images/../images/a%20b.png",
        "/data/local-files/?d=./images/a%20b.png",
        "/data/local-files/?d=link.png",
        "/data/local-files/?d=up/outside.png",
        "/data/local-files/?d=/etc/passwd",
        "/data/local-files/?d=missing.png",
        "/data/local-files/?d=images/a%20b.png/x",
        "/data/local-files/?d=images/a%00b.png",
        "/data/local-files/?d=",
        "/data/local-files/?d=%",
        "/data/local-files/?e=images/a%20b.png",
        "/data/local-files/",
        "/data/upload/../images/a%20b.png",
        "/data/upload/",
        "images/a b.png",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://localhost/a.png",
        "s3://bucket/a.png",
        "data:image/png,abc",
        "",
    };
    for (size_t i = 0; i < sizeof REFERENCES / sizeof *REFERENCES; i++)
        expect_code(REFERENCES[i], "no_image");
    expect_code("/data/local-files/?d=images", "no_image");
    expect_code("/data/local-files/?d=pipe", "no_image");
    expect_code("/data/local-files/?d=empty", "image_empty");
}

static void reads_inline_pictures(void) {
    char reference[2048];
    snprintf(reference, sizeof reference, "data:image/png;base64,%s", test_png_base64());
    expect_code(reference, "");
    snprintf(reference, sizeof reference, "data:image/png;base64,%s=", test_png_base64());
    expect_code(reference, "bad_base64");
    struct picture picture;
    reference[strlen(reference) - 1] = '\0';
    EXPECT(image_root_read(&picture, NULL, reference, 1 << 20, &arena));
    EXPECT(!image_root_read(&picture, NULL, "/data/upload/1/c.jpg", 1 << 20, &arena));
    EXPECT_INT(picture.fault.code, FAULT_NO_IMAGE);
}

static void bounds_sizes(void) {
    struct picture picture;
    make_root();
    int64_t size = test_jpeg()->size;
    EXPECT(image_root_read(&picture, root, "/data/upload/1/c.jpg", size, &arena));
    EXPECT(!image_root_read(&picture, root, "/data/upload/1/c.jpg", size - 1, &arena));
    EXPECT_INT(picture.fault.code, FAULT_BODY_TOO_LARGE);
    EXPECT_INT(picture.fault.got, size);
}

int main(int argc, char **argv) {
    arena_init(&arena, 1 << 16, 0);
    int result = run_cases(argc, argv,
                           (struct test_case[]){
                               {"finds_files", finds_files},
                               {"finds_nothing_else", finds_nothing_else},
                               {"reads_inline_pictures", reads_inline_pictures},
                               {"bounds_sizes", bounds_sizes},
                               {0},
                           });
    arena_destroy(&arena);
    return result;
}
