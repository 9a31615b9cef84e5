// Files of PyTorch and numpy, made by tests/oracle/torch_files.py: their tensors, and what becomes
// of damaged ones.
#include <stdio.h>
#include <stdlib.h>

#include "base/output.h"
#include "detector/import/state_dict.h"
#include "detector/import/zip.h"
#include "tests/harness.h"

#define FILES TESTS_DIR "/detector/import/"

static struct arena arena; // of the running case
static struct state_dict dict;
static struct error err;

static void begin(void) {
    state_dict_close(&dict);
    arena_destroy(&arena);
    arena_init(&arena, 1 << 12, 0);
    err = (struct error){0};
}

static void open_file(const char *path) {
    begin();
    enum status status = state_dict_open(&dict, path, &arena, &err);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK);
}

// A tensor with these values, in C order.
static void expect_floats(const char *name, int num_dims, const int64_t *shape,
                          const float *expected) {
    const struct state_tensor *item = state_dict_find(&dict, name);
    REQUIRE(item);
    EXPECT_INT(item->tensor.num_dims, num_dims);
    int64_t count = 1;
    for (int i = 0; i < num_dims; i++) {
        EXPECT_INT(item->tensor.shape[i], shape[i]);
        count *= shape[i];
    }
    REQUIRE(item->tensor.count == count);
    float values[16] = {0};
    EXPECT_OK(state_tensor_to_float(item, values, &arena, &err), &err);
    for (int64_t i = 0; i < count; i++)
        EXPECT_NEAR((double)values[i], (double)expected[i], 0);
}

static void expect_checkpoint(void) {
    static const float pair[] = {-1.5F, 2.25F};
    static const float ones[] = {1, 1};
    EXPECT_INT(dict.count, 10);
    expect_floats("weight", 2, (int64_t[]){2, 3}, (float[]){0, 0.5F, 1, 1.5F, 2, 2.5F});
    expect_floats("transposed", 2, (int64_t[]){3, 2}, (float[]){0, 1.5F, 0.5F, 2, 1, 2.5F});
    expect_floats("part", 2, (int64_t[]){2, 2}, (float[]){0.5F, 1, 2, 2.5F});
    expect_floats("parameter", 1, (int64_t[]){2}, ones);
    expect_floats("half", 1, (int64_t[]){2}, pair);
    expect_floats("bfloat", 1, (int64_t[]){2}, pair);
    expect_floats("double", 1, (int64_t[]){2}, pair);
    expect_floats("empty", 2, (int64_t[]){0, 4}, NULL);
    const struct state_tensor *steps = state_dict_find(&dict, "steps");
    int64_t value = 0;
    REQUIRE(steps && steps->tensor.bytes == sizeof value);
    EXPECT_INT(steps->tensor.dtype, SAFETENSOR_I64);
    memcpy(&value, steps->tensor.data, sizeof value);
    EXPECT_INT(value, 7);
    EXPECT(state_dict_find(&dict, "lr") == NULL);
    EXPECT(!state_dict_find(&dict, "transposed")->contiguous);
}

static void containers(void) {
    open_file(FILES "zip.pth");
    EXPECT_TEXT(dict.format, "a zip archive of PyTorch");
    expect_checkpoint();
    open_file(FILES "legacy.pth");
    EXPECT_TEXT(dict.format, "an old file of PyTorch");
    expect_checkpoint();
}

static void arrays(void) {
    for (int protocol = 0; protocol <= 5; protocol++) {
        static const float values[] = {100, 100.5F, 101, 101.5F, 102, 102.5F};
        char path[512];
        snprintf(path, sizeof path, FILES "arrays_%d.pkl", protocol);
        open_file(path);
        EXPECT_INT(dict.count, 3);
        expect_floats("weight", 2, (int64_t[]){2, 3}, values);
        expect_floats("fortran", 2, (int64_t[]){2, 3}, values);
        expect_floats("double", 2, (int64_t[]){2, 3}, values);
        EXPECT(!state_dict_find(&dict, "fortran")->contiguous);
    }
    open_file(FILES "python2.pkl");
    EXPECT_INT(dict.count, 1);
    expect_floats("weight", 2, (int64_t[]){2, 3}, (float[]){100, 100.5F, 101, 101.5F, 102, 102.5F});
    open_file(TESTS_DIR "/detector/safetensors/python.safetensors");
    EXPECT_TEXT(dict.format, "a safetensors file");
    EXPECT(state_dict_find(&dict, "backbone.conv1.weight") != NULL);
}

// ---- Damage ----

static const char *const PATHS[] = {FILES "zip.pth", FILES "legacy.pth", FILES "arrays_0.pkl",
                                    FILES "arrays_5.pkl", FILES "python2.pkl"};
enum { NUM_PATHS = sizeof PATHS / sizeof *PATHS };

// The bytes of a file, to be freed.
static char *load(const char *path, int64_t *size) {
    struct file_view view;
    EXPECT_OK(file_view_open(&view, path, 0, &err), &err);
    char *bytes = malloc((size_t)view.size + 1);
    REQUIRE(bytes && view.data);
    memcpy(bytes, view.data, (size_t)view.size);
    *size = view.size;
    file_view_close(&view);
    return bytes;
}

static enum status read_bytes(const char *bytes, int64_t size) {
    begin();
    return state_dict_read(&dict, bytes, size, "t.pth", &arena, &err);
}

// In a block of its own size, for AddressSanitizer to watch.
static enum status read_part(const char *bytes, int64_t size) {
    char *copy = malloc((size_t)size + 1);
    REQUIRE(copy);
    memcpy(copy, bytes, (size_t)size);
    copy = realloc(copy, size ? (size_t)size : 1);
    REQUIRE(copy);
    enum status status = read_bytes(copy, size);
    begin();
    free(copy);
    return status;
}

static void cut_off(void) {
    for (int i = 0; i < NUM_PATHS; i++) {
        int64_t size = 0;
        char *bytes = load(PATHS[i], &size);
        for (int64_t part = 0; part < size; part++)
            EXPECT(read_part(bytes, part) != STATUS_OK);
        free(bytes);
    }
}

// Every byte changed: an error or other tensors, but nothing worse.
static void changed(void) {
    for (int i = 0; i < NUM_PATHS; i++) {
        int64_t size = 0;
        char *bytes = load(PATHS[i], &size);
        int num_errors = 0;
        for (int64_t at = 0; at < size; at++) {
            for (int bit = 0; bit < 8; bit += 3) {
                bytes[at] = (char)(bytes[at] ^ 1 << bit);
                num_errors += read_bytes(bytes, size) != STATUS_OK;
                bytes[at] = (char)(bytes[at] ^ 1 << bit);
            }
        }
        EXPECT(num_errors > size / 4);
        free(bytes);
    }
}

// A file with the first occurrence of from replaced by to, of the same size.
static void expect_changed(const char *path, const char *from, const char *to, size_t count,
                           enum status status, const char *message) {
    int64_t size = 0;
    char *bytes = load(path, &size);
    char *at = memmem(bytes, (size_t)size, from, count);
    REQUIRE(at);
    memcpy(at, to, count);
    EXPECT_STATUS(read_bytes(bytes, size), status, &err);
    EXPECT_CONTAINS(err.message, message);
    free(bytes);
}

static void wrong(void) {
    const char *legacy = FILES "legacy.pth";
    const char *zip = FILES "zip.pth";
    const char *array = FILES "arrays_2.pkl";
    expect_changed(zip, "data/0", "data/9", 6, STATUS_OK, ""); // the local name does not matter
    expect_changed(zip, "weight", "\xFFight", 6, STATUS_DATA, "does not match its checksum");
    expect_changed(legacy, "\x6C\xFC\x9C\x46", "\x6C\xFC\x9C\x47", 4, STATUS_DATA, "holds");
    expect_changed(legacy, "M\xE9\x03", "M\xE9\x04", 3, STATUS_UNSUPPORTED, "a version of PyTorch");
    expect_changed(legacy, "little_endianq\x02\x88", "little_endianq\x02\x89", 16,
                   STATUS_UNSUPPORTED, "big-endian");
    expect_changed(legacy, "weight", "wei\0ht", 6, STATUS_DATA, "a NUL");
    expect_changed(legacy, "steps", "flags", 5, STATUS_DATA, "\"flags\" is there twice");
    expect_changed(legacy, "FloatStorage", "Float\nStorag", 12, STATUS_UNSUPPORTED,
                   "torch.Float, which");
    expect_changed(array, "<", ">", 1, STATUS_UNSUPPORTED, "is big-endian");
    expect_changed(array, "f4", "c4", 2, STATUS_UNSUPPORTED, "something else than numbers");
    EXPECT_STATUS(read_bytes("}.", 2), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "t.pth: a pickle without tensors");
    EXPECT_STATUS(read_bytes("].", 2), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "holds a list, expected a dictionary of tensors");
    EXPECT_STATUS(read_bytes("hello", 5), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "neither a file of PyTorch, nor a pickle, nor a safetensors file");
    EXPECT_STATUS(read_bytes("", 0), STATUS_DATA, &err);
}

// ---- Tensors that reach beyond their storage ----

// An old file of PyTorch with one tensor of a storage of 6 floats; placing is "offset shape
// strides" in opcodes.
static void write_legacy(struct output *out, const char *placing) {
    static const char start[] = "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19."
                                "\x80\x02M\xE9\x03.}.";
    static const char numbers[8 + 6 * sizeof(float)] = {6};
    output_open_memory(out);
    output_write(out, start, sizeof start - 1);
    output_text(out, "}U\x01wctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n"
                     "FloatStorage\nU\x01kNK\x06tQ");
    output_text(out, placing);
    output_text(out, "tRs.]U\x01ka.");
    output_write(out, numbers, sizeof numbers);
}

static void beyond(void) {
    static const struct {
        const char *placing;
        bool good;
    } cases[] = {
        {"I0\n(I6\nt(I1\nt", true},
        {"I0\n(I6\nt(I0\nt", true}, // the first, six times
        {"I5\n(I1\nt(I9\nt", true},
        {"I6\n(I0\nt(I1\nt", true},
        {"I1\n(I6\nt(I1\nt", false},
        {"I6\n(I1\nt(I1\nt", false},
        {"I7\n(I0\nt(I1\nt", false},
        {"I0\n(I7\nt(I0\nt", false}, // more than there are
        {"I0\n(I2\nt(I6\nt", false},
        {"I0\n(I2\nt(I9223372036854775807\nt", false},
        {"I0\n(I9223372036854775807\nt(I1\nt", false},
        {"I0\n(I4611686018427387904\nI4\nt(I0\nI0\nt", false},
        {"I0\n(I3\nI9223372036854775807\nt(I4611686018427387904\nI0\nt", false},
        {"I9223372036854775807\n(I2\nt(I1\nt", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct output out;
        float values[6];
        write_legacy(&out, cases[i].placing);
        EXPECT_STATUS(read_part(out.data, out.size), cases[i].good ? STATUS_OK : STATUS_DATA, &err);
        if (cases[i].good) {
            EXPECT_OK(read_bytes(out.data, out.size), &err);
            EXPECT_OK(state_tensor_to_float(&dict.items[0], values, &arena, &err), &err);
        } else {
            EXPECT_STATUS(read_bytes(out.data, out.size), STATUS_DATA, &err);
            EXPECT_CONTAINS(err.message, "tensor \"w\" reaches beyond its storage");
        }
        output_discard(&out);
    }
}

int main(int argc, char **argv) {
    int status = run_cases(argc, argv,
                           (struct test_case[]){{"containers", containers},
                                                {"arrays", arrays},
                                                {"cut_off", cut_off},
                                                {"changed", changed},
                                                {"wrong", wrong},
                                                {"beyond", beyond},
                                                {0}});
    begin();
    arena_destroy(&arena);
    return status;
}
