// Model files: byte for byte what tests/oracle/safetensors_check.py says, files of the
// safetensors package, and every way in which a file can be wrong.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "detector/safetensors.h"
#include "tests/harness.h"

static struct arena arena; // of the running case
static struct safetensors file;
static struct error err;

static void begin(void) {
    arena_init(&arena, 1 << 12, 0);
    err = (struct error){0};
}

static void end(void) {
    safetensors_close(&file);
    arena_destroy(&arena);
}

// ---- The tensors of tests/oracle/safetensors_check.py ----

static const double means[] = {-2, -1.5, -1};
static const float weights[] = {-2, -1.5F, -1, -0.5F, 0, 0.5F, 1, 1.5F, 2, 2.5F, 3, 3.5F};
static const float scalar = 0.1F;
static const int64_t step = -4;
static const int32_t sizes[] = {-4, -1};
static const uint16_t halves[] = {0xC000, 0xBE00, 0xBC00};
static const uint16_t bfloats[] = {0xC000, 0xBFC0, 0xBF80};
static const int16_t shorts[] = {-4, -1};
static const int8_t signeds[] = {-4, -1};
static const uint8_t bytes[] = {0, 3, 255};
static const uint8_t flags[] = {0, 1};

static const struct safetensor tensors[] = {
    {"mean", NULL, SAFETENSOR_F64, 1, {3}, 3, means, 24},
    {"step", NULL, SAFETENSOR_I64, 0, {0}, 1, &step, 8},
    {"backbone.conv1.weight", NULL, SAFETENSOR_F32, 4, {2, 3, 1, 2}, 12, weights, 48},
    {"scalar", NULL, SAFETENSOR_F32, 0, {0}, 1, &scalar, 4},
    {"empty", NULL, SAFETENSOR_F32, 2, {0, 4}, 0, NULL, 0},
    {"größe \"1\"\\日本", NULL, SAFETENSOR_I32, 1, {2}, 2, sizes, 8},
    {"half", NULL, SAFETENSOR_F16, 1, {3}, 3, halves, 6},
    {"bfloat", NULL, SAFETENSOR_BF16, 2, {3, 1}, 3, bfloats, 6},
    {"short", NULL, SAFETENSOR_I16, 1, {2}, 2, shorts, 4},
    {"signed", NULL, SAFETENSOR_I8, 1, {2}, 2, signeds, 2},
    {"bytes", NULL, SAFETENSOR_U8, 1, {3}, 3, bytes, 3},
    {"flags", NULL, SAFETENSOR_BOOL, 1, {2}, 2, flags, 2},
};
enum { NUM_TENSORS = sizeof tensors / sizeof *tensors };

static const struct safetensors_text metadata[] = {{"format", "pt"}, {"note", "größe \"x\"\n\x01"}};

static void expect_tensors(const struct safetensors *read, const char *path) {
    EXPECT_INT(read->count, NUM_TENSORS);
    for (int i = 0; i < NUM_TENSORS; i++) {
        const struct safetensor *expected = &tensors[i];
        const struct safetensor *found = safetensors_find(read, expected->name);
        REQUIRE(found);
        EXPECT_TEXT(found->name, expected->name);
        EXPECT_TEXT(found->file, path);
        EXPECT_TEXT(safetensor_dtype_name(found->dtype), safetensor_dtype_name(expected->dtype));
        EXPECT_INT(found->num_dims, expected->num_dims);
        for (int d = 0; d < expected->num_dims; d++)
            EXPECT_INT(found->shape[d], expected->shape[d]);
        EXPECT_INT(found->count, expected->count);
        EXPECT_INT(found->bytes, expected->bytes);
        EXPECT(!expected->bytes ||
               memcmp(found->data, expected->data, (size_t)expected->bytes) == 0);
    }
    EXPECT(!safetensors_find(read, "mea") && !safetensors_find(read, "zzz") &&
           !safetensors_find(read, ""));
    EXPECT_TEXT(safetensors_metadata(read, "note"), metadata[1].value);
    EXPECT(!safetensors_metadata(read, "checksum") && !safetensors_metadata(read, "a"));
}

static void written_as_expected(void) {
    begin();
    struct output out;
    struct file_view view;
    output_open_memory(&out);
    EXPECT_OK(safetensors_write(&out, tensors, NUM_TENSORS, metadata, 2, &err), &err);
    EXPECT_OK(output_finish(&out, &err), &err);
    const char *path = TESTS_DIR "/detector/safetensors/ours.safetensors";
    REQUIRE(file_view_open(&view, path, 0, &err) == STATUS_OK);
    EXPECT_INT(out.size, view.size);
    EXPECT(out.size == view.size && memcmp(out.data, view.data, (size_t)view.size) == 0);
    file_view_close(&view);
    output_discard(&out);
    end();
}

static void read_as_expected(void) {
    const char *const paths[] = {TESTS_DIR "/detector/safetensors/ours.safetensors",
                                 TESTS_DIR "/detector/safetensors/python.safetensors"};
    for (int i = 0; i < 2; i++) {
        begin();
        EXPECT_OK(safetensors_open(&file, paths[i], true, &arena, &err), &err);
        expect_tensors(&file, paths[i]);
        EXPECT_INT(file.has_checksum, i == 0);
        const char *format = safetensors_metadata(&file, "format");
        EXPECT_TEXT(format ? format : "none", i == 0 ? "pt" : "none");
        end();
    }
}

// ---- Whole files ----

static const char *scratch_path(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return path;
}

// More data than is written at a time, through a file, after a tensor that leaves it unaligned.
static void round_trip(void) {
    begin();
    enum { COUNT = 700001 };
    float *values = arena_alloc(&arena, COUNT, sizeof *values);
    float *read = arena_alloc(&arena, COUNT, sizeof *read);
    for (int i = 0; i < COUNT; i++)
        values[i] = sqrtf((float)i);
    const struct safetensor items[] = {
        {"odd", NULL, SAFETENSOR_U8, 1, {3}, 3, bytes, 3},
        safetensor_of_floats("z", 3, (const int64_t[]){COUNT, 1, 1}, values),
        safetensor_of_floats("a", 0, NULL, &scalar),
    };
    const char *path = scratch_path("model.safetensors");
    struct output out;
    REQUIRE(output_open_file(&out, path, &err) == STATUS_OK);
    EXPECT_OK(safetensors_write(&out, items, 3, NULL, 0, &err), &err);
    EXPECT_OK(output_commit(&out, &err), &err);
    EXPECT_OK(safetensors_open(&file, path, true, &arena, &err), &err);
    REQUIRE(file.count == 3);
    EXPECT_TEXT(file.items[0].name, "a");
    const struct safetensor *z = safetensors_find(&file, "z");
    REQUIRE(z && z->count == COUNT && z->num_dims == 3);
    EXPECT((uintptr_t)z->data % 4 == 3);
    EXPECT_OK(safetensor_to_float(z, read, &err), &err);
    int num_wrong = 0;
    for (int i = 0; i < COUNT; i++)
        num_wrong += read[i] != values[i];
    EXPECT_INT(num_wrong, 0);
    end();
}

static void no_tensors(void) {
    begin();
    struct output out;
    output_open_memory(&out);
    EXPECT_OK(safetensors_write(&out, NULL, 0, NULL, 0, &err), &err);
    EXPECT_INT(out.size % 8, 0);
    EXPECT_OK(safetensors_read(&file, out.data, out.size, "t", true, &arena, &err), &err);
    EXPECT_INT(file.count, 0);
    EXPECT(!safetensors_find(&file, "x") && !safetensors_metadata(&file, "x"));
    output_discard(&out);
    end();
}

static void cannot_open(void) {
    begin();
    EXPECT_STATUS(safetensors_open(&file, "no/such", true, &arena, &err), STATUS_NO_INPUT, &err);
    EXPECT_TEXT(err.message, "no/such: No such file or directory");
    const char *path = scratch_path("empty");
    REQUIRE(output_save(path, "", 0, &err) == STATUS_OK);
    EXPECT_STATUS(safetensors_open(&file, path, true, &arena, &err), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, ": 0 bytes, expected at least the 8 that begin a safetensors");
    EXPECT(!file.view.data && !file.items && arena.reserved_bytes == 0);
    end();
}

static void cannot_write(void) {
    struct output out;
    begin();
    output_open_descriptor(&out, -1);
    EXPECT_OK(safetensors_write(&out, tensors, NUM_TENSORS, NULL, 0, &err), &err);
    EXPECT_STATUS(output_finish(&out, &err), STATUS_CANNOT_WRITE, &err);
    output_discard(&out);

    char *name = arena_alloc(&arena, SAFETENSORS_MAX_HEADER_BYTES, 1);
    memset(name, 'n', SAFETENSORS_MAX_HEADER_BYTES);
    name[SAFETENSORS_MAX_HEADER_BYTES - 1] = '\0';
    struct safetensor long_name = safetensor_of_floats(name, 0, NULL, &scalar);
    output_open_memory(&out);
    EXPECT_STATUS(safetensors_write(&out, &long_name, 1, NULL, 0, &err), STATUS_UNSUPPORTED, &err);
    EXPECT_CONTAINS(err.message, "the header of 1 tensors takes 16777");
    EXPECT_INT(out.size, 0);
    output_discard(&out);
    end();
}

// ---- Files made by hand ----

// Reads a file of exactly these bytes, none readable behind them.
static enum status read_bytes(const void *content, int64_t size, bool verify) {
    char *copy = malloc((size_t)size + !size);
    CHECK(copy);
    if (size) memcpy(copy, content, (size_t)size);
    enum status status = safetensors_read(&file, copy, size, "t", verify, &arena, &err);
    if (status != STATUS_OK) EXPECT(!file.items && !file.metadata && arena.reserved_bytes == 0);
    // Reading all of what was accepted lets the sanitizers judge it.
    float values[64];
    for (int64_t i = 0; status == STATUS_OK && i < file.count; i++)
        if (file.items[i].count <= 64) (void)!safetensor_to_float(&file.items[i], values, &err);
    safetensors_close(&file);
    arena_destroy(&arena);
    free(copy);
    return status;
}

// The same for a header and data_bytes bytes of data.
static enum status read_header(const char *header, int64_t data_bytes) {
    char content[4096] = {0};
    uint64_t size = strlen(header);
    CHECK(8 + (int64_t)size + data_bytes < (int64_t)sizeof content);
    memcpy(content, &size, sizeof size);
    memcpy(content + 8, header, size + 1);
    return read_bytes(content, 8 + (int64_t)size + data_bytes, true);
}

#define ONE(type, shape, offsets)                                                                  \
    "{\"x\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define ENTRY(name, begin, end, count)                                                             \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" count "],\"data_offsets\":[" begin "," end "]}"

static void accepted(void) {
    static const struct {
        const char *header;
        int64_t data_bytes;
    } cases[] = {
        {"{}", 0},
        {"{}      ", 0},
        {"{\"__metadata__\":{}}", 0},
        {ONE("F32", "[]", "[0,4]"), 4},
        {ONE("F32", "[1,1,1,1,1,1,1,2]", "[0,8]"), 8},
        {ONE("F64", "[0]", "[0,0]"), 0},
        {ONE("F64", "[4000000000000000000,0]", "[0,0]"), 0},
        {"{ \"x\" : { \"data_offsets\" : [ 0 , 1 ] , \"shape\" : [ ] , \"dtype\" : \"BOOL\" } }",
         1},
        {"{" ENTRY("a", "2", "5", "3") "," ENTRY("b", "0", "2", "2") "," ENTRY("c", "5", "5",
                                                                               "0") "}",
         5},
        {"{" ENTRY("a", "2", "2", "0") "," ENTRY("b", "2", "2", "0") "," ENTRY("c", "0", "2",
                                                                               "2") "}",
         2},
        {"{" ENTRY("a", "0", "2", "2") "," ENTRY("b", "0", "0", "0") "}", 2},
        {"{" ENTRY("", "0", "1", "1") "," ENTRY("\\u00e9", "1", "2", "1") "}", 2},
        {"{" ENTRY("x", "0", "1", "1") ",\"\\u005f_metadata__\":{\"\":\"\"}}", 1},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        EXPECT_OK(read_header(cases[i].header, cases[i].data_bytes), &err);
    end();
}

static void refused(void) {
    static const struct {
        const char *header;
        int64_t data_bytes;
        const char *message;
    } cases[] = {
        {"", 0, "t: the header does not begin with '{', expected of a safetensors file"},
        {" {}", 0, "t: the header does not begin with '{', expected of a safetensors file"},
        {"[]", 0, "t: the header does not begin with '{', expected of a safetensors file"},
        {"{}x", 0, "t: line 1, column 3: expected the end of the file, found 'x'"},
        {"{\"x\":1}", 0, "t: line 1, column 6: expected an object, found a number"},
        {"{\"x", 0, "t: line 1, column 2: this string has no end"},
        {"{\"x\":{}}", 0, "t: tensor \"x\" has no dtype, expected one"},
        {"{\"x\\u0000\":{}}", 0, "t: line 1, column 12: this key contains \\u0000"},
        {"{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4,
         "t: tensor \"x\" has no shape, expected one"},
        {"{\"x\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4,
         "t: tensor \"x\" has no data_offsets, expected one"},
        {"{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4,
         "t: line 1, column 29: the key \"dtype\" stands here a second time"},
        {"{\"x\":{\"dtypo\":\"F32\"}}", 4,
         "t: line 1, column 15: expected dtype, shape or data_offsets, found another key"},
        {"{\"x\":{\"dtype\":7}}", 4, "t: line 1, column 15: expected a string"},
        {ONE("U16", "[1]", "[0,2]"), 2,
         "t: tensor \"x\" is of type \"U16\", expected F64, F32, F16, BF16, I64, I32, I16, I8, U8 "
         "or "
         "BOOL"},
        {ONE("f32", "[1]", "[0,4]"), 4, "t: tensor \"x\" is of type \"f32\", expected F64, "},
        {ONE("", "[1]", "[0,4]"), 4, "t: tensor \"x\" is of type \"\", expected F64, "},
        {ONE("F32", "[-1]", "[0,4]"), 4,
         "t: line 1, column 32: expected a size of 0 or more, found -1"},
        {ONE("F32", "[1.5]", "[0,4]"), 4, "expected an integer, found 1.5"},
        {ONE("F32", "1", "[0,4]"), 4, "expected an array, found a number"},
        {ONE("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4,
         "t: tensor \"x\" has more than the 8 dimensions expected"},
        {ONE("F32", "[4294967296,4294967296]", "[0,4]"), 4,
         "t: tensor \"x\" has F32 of shape [4294967296, 4294967296], more than any memory holds"},
        {ONE("F32", "[4611686018427387904]", "[0,4]"), 4, "more than any memory holds"},
        {ONE("F32",
             "[9223372036854775807,9223372036854775807,9223372036854775807,"
             "9223372036854775807,9223372036854775807,9223372036854775807,"
             "9223372036854775807,9223372036854775807]",
             "[0,4]"),
         4, "more than any memory holds"},
        {ONE("F32", "[1]", "[0]"), 4, "t: tensor \"x\" has 1 data_offsets, expected 2"},
        {ONE("F32", "[1]", "[0,4,8]"), 4, "t: tensor \"x\" has 3 data_offsets, expected 2"},
        {ONE("F32", "[1]", "[-4,0]"), 4,
         "t: tensor \"x\" has the data_offsets -4 and 0, expected 0 <= begin <= end"},
        {ONE("F32", "[1]", "[4,0]"), 4,
         "t: tensor \"x\" has the data_offsets 4 and 0, expected 0 <= begin <= end"},
        {ONE("F32", "[1]", "[-9223372036854775807,9223372036854775807]"), 4,
         "expected 0 <= begin <= end"},
        {ONE("F32", "[2]", "[0,8]"), 7,
         "t: tensor \"x\" ends at byte 8 of the data, expected at most 7: the file may have been "
         "cut off"},
        {ONE("F32", "[2,3]", "[0,4]"), 4,
         "t: tensor \"x\" has 4 bytes of data, expected 24 for F32 of shape [2, 3]"},
        {ONE("F64", "[]", "[0,4]"), 4,
         "t: tensor \"x\" has 4 bytes of data, expected 8 for F64 of shape []"},
        {ONE("U8", "[2]", "[1,3]"), 3,
         "t: tensor \"x\" begins at byte 1 of the data, expected 0, where the one before it ends"},
        {ONE("U8", "[0]", "[1,1]"), 1, "t: tensor \"x\" begins at byte 1 of the data, expected 0"},
        {ONE("U8", "[2]", "[0,2]"), 3,
         "t: 3 bytes of data, expected 2, where the last tensor ends"},
        {"{}", 1, "t: 1 bytes of data, expected 0, where the last tensor ends"},
        {"{" ENTRY("a", "0", "2", "2") "," ENTRY("b", "3", "4", "1") "}", 4,
         "t: tensor \"b\" begins at byte 3 of the data, expected 2, where the one before it ends"},
        {"{" ENTRY("a", "0", "2", "2") "," ENTRY("b", "1", "4", "3") "}", 4,
         "t: tensor \"b\" begins at byte 1 of the data, expected 2, where the one before it ends"},
        {"{" ENTRY("a", "0", "2", "2") "," ENTRY("b", "0", "2", "2") "}", 2,
         "t: tensor \"b\" begins at byte 0 of the data, expected 2, where the one before it ends"},
        {"{" ENTRY("a", "0", "2", "2") "," ENTRY("\\u0061", "2", "3", "1") "}", 3,
         "t: tensor \"a\" is there twice, expected once"},
        {"{\"__metadata__\":7}", 0, "t: line 1, column 17: expected an object, found a number"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "t: line 1, column 22: expected a string"},
        {"{\"__metadata__\":{\"a\\u0000\":\"\"}}", 0, "this key contains \\u0000"},
        {"{\"__metadata__\":{\"a\":\"1\",\"\\u0061\":\"2\"}}", 0,
         "t: the metadata has the key \"a\" twice, expected once"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0,
         "t: line 1, column 35: the key \"__metadata__\" stands here a second time"},
        {"{\"__metadata__\":{\"checksum\":\"crc32:00000000\",\"checksum\":\"\"}}", 0,
         "the checksum stands here a second time"},
        {"{\"__metadata__\":{\"checksum\":\"crc64:00000000\"}}", 0,
         "t: its checksum is of an unknown kind, expected \"crc32:\" and eight digits"},
        {"{\"__metadata__\":{\"checksum\":\"crc32:0000000\"}}", 0, "is of an unknown kind"},
        {"{\"__metadata__\":{\"checksum\":\"\\u0063rc32:000\"}}", 0, "is of an unknown kind"},
        {"{\"__metadata__\":{\"checksum\":\"crc32:00000000\"}}", 0,
         "t: the data does not match its checksum (found "},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool unsupported = strstr(cases[i].message, "is of type") ||
                           strstr(cases[i].message, "dimensions") ||
                           strstr(cases[i].message, "unknown kind");
        EXPECT_STATUS(read_header(cases[i].header, cases[i].data_bytes),
                      unsupported ? STATUS_UNSUPPORTED : STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, cases[i].message);
    }
    end();
}

static void wrong_sizes(void) {
    begin();
    EXPECT_STATUS(read_bytes("", 0, true), STATUS_DATA, &err);
    EXPECT_STATUS(read_bytes("\2\0\0\0\0\0\0", 7, true), STATUS_DATA, &err);
    EXPECT_TEXT(err.message, "t: 7 bytes, expected at least the 8 that begin a safetensors file");
    EXPECT_STATUS(read_bytes("\3\0\0\0\0\0\0\0{}", 10, true), STATUS_DATA, &err);
    EXPECT_TEXT(err.message, "t: a header of 3 bytes, expected at most the 2 that follow: the file "
                             "may have been cut off");
    EXPECT_STATUS(read_bytes("\1\0\0\1\0\0\0\0{}", 10, true), STATUS_DATA, &err);
    EXPECT_TEXT(err.message,
                "t: a header of 16777217 bytes, expected at most 16777216: this may be "
                "no safetensors file");
    EXPECT_STATUS(read_bytes("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{}", 10, true), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "t: a header of 18446744073709551615 bytes");
    EXPECT_STATUS(read_bytes("\x50\x4B\x03\x04\x00\x00\x08\x08 zip", 12, true), STATUS_DATA, &err);
    EXPECT_CONTAINS(err.message, "this may be no safetensors file");
    end();
}

// ---- Damaged files ----

static char content[4096];
static int64_t content_size;

static void load_content(void) {
    struct file_view view;
    const char *path = TESTS_DIR "/detector/safetensors/ours.safetensors";
    REQUIRE(file_view_open(&view, path, sizeof content, &err) == STATUS_OK);
    memcpy(content, view.data, (size_t)view.size);
    content_size = view.size;
    file_view_close(&view);
}

static void cut_off(void) {
    begin();
    load_content();
    for (int64_t size = 0; size < content_size; size++) {
        EXPECT_STATUS(read_bytes(content, size, false), STATUS_DATA, &err);
        EXPECT_CONTAINS(err.message, "expected");
    }
    content[content_size] = '\0';
    EXPECT_STATUS(read_bytes(content, content_size + 1, false), STATUS_DATA, &err);
    end();
}

// A flipped bit anywhere is noticed, but for one in the word that says that there is a checksum.
static void flipped_bits(void) {
    begin();
    load_content();
    const int64_t key = 8 + (int64_t)strlen("{\"__metadata__\":{\"");
    const int64_t key_end = key + (int64_t)strlen(SAFETENSORS_CHECKSUM_KEY);
    uint64_t header_bytes = 0;
    memcpy(&header_bytes, content, sizeof header_bytes);
    REQUIRE(memcmp(content + key, SAFETENSORS_CHECKSUM_KEY, (size_t)(key_end - key)) == 0);
    int64_t num_unnoticed = 0;
    for (int64_t i = 0; i < content_size * 8; i++) {
        int64_t at = i / 8;
        content[at] = (char)(content[at] ^ 1 << i % 8);
        bool noticed = read_bytes(content, content_size, true) != STATUS_OK;
        EXPECT(noticed || (at >= key && at < key_end));
        num_unnoticed += !noticed;
        if (at >= 8 + (int64_t)header_bytes) {
            EXPECT_INT(err.code, STATUS_DATA);
            EXPECT_CONTAINS(err.message, "t: the data does not match its checksum (found ");
            EXPECT_OK(read_bytes(content, content_size, false), &err);
        }
        content[at] = (char)(content[at] ^ 1 << i % 8);
    }
    EXPECT(num_unnoticed < 64);
    EXPECT_OK(read_bytes(content, content_size, true), &err);
    end();
}

// Whatever the arena can give, the reader succeeds or says that it is not enough.
static void little_memory(void) {
    load_content();
    bool succeeded = false;
    for (int64_t limit = 64; limit < 1 << 16; limit += 64) {
        arena_init(&arena, 64, limit);
        enum status status =
            safetensors_read(&file, content, content_size, "t", true, &arena, &err);
        EXPECT(status == STATUS_OK || (status == STATUS_MEMORY && !succeeded));
        if (status == STATUS_MEMORY) {
            EXPECT_CONTAINS(err.message, "not enough memory for ");
            EXPECT(!file.items && arena.reserved_bytes == 0);
        }
        succeeded = status == STATUS_OK;
        arena_destroy(&arena);
    }
    EXPECT(succeeded);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"written_as_expected", written_as_expected},
                                          {"read_as_expected", read_as_expected},
                                          {"round_trip", round_trip},
                                          {"no_tensors", no_tensors},
                                          {"cannot_open", cannot_open},
                                          {"cannot_write", cannot_write},
                                          {"accepted", accepted},
                                          {"refused", refused},
                                          {"wrong_sizes", wrong_sizes},
                                          {"cut_off", cut_off},
                                          {"flipped_bits", flipped_bits},
                                          {"little_memory", little_memory},
                                          {0}});
}
