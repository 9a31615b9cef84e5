// The machine that reads pickles: what each opcode makes, and every way in which a file can ask for
// too much, or for more than data.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/output.h"
#include "detector/import/pickle.h"
#include "tests/harness.h"

static struct arena arena; // of the running case
static struct error err;

static enum status read_bytes(struct pickle *pickle, const char *bytes, int64_t size) {
    arena_destroy(&arena);
    arena_init(&arena, 1 << 12, 0);
    err = (struct error){0};
    return pickle_read(pickle, bytes, size, "t.pkl", &arena, &err);
}

// The value that a text of opcodes makes; they may contain NULs.
#define VALUE(bytes) value_of(bytes, (int64_t)sizeof(bytes) - 1)
static const struct pickle_value *value_of(const char *bytes, int64_t size) {
    struct pickle pickle;
    enum status status = read_bytes(&pickle, bytes, size);
    EXPECT_OK(status, &err);
    REQUIRE(status == STATUS_OK && pickle.root);
    EXPECT_INT(pickle.size, size);
    return pickle.root;
}

#define REFUSE(bytes, status, message) refuse(bytes, (int64_t)sizeof(bytes) - 1, status, message)
static void refuse(const char *bytes, int64_t size, enum status status, const char *message) {
    struct pickle pickle;
    EXPECT_STATUS(read_bytes(&pickle, bytes, size), status, &err);
    EXPECT_CONTAINS(err.message, message);
    EXPECT_CONTAINS(err.message, "t.pkl: pickle, byte ");
}

static void expect_integer(const struct pickle_value *value, int64_t integer) {
    EXPECT_INT(value->kind, PICKLE_INT);
    EXPECT_INT(value->integer, integer);
}

static void numbers(void) {
    EXPECT_INT(VALUE("N.")->kind, PICKLE_NONE);
    EXPECT_INT(VALUE("\x88.")->integer, 1);
    EXPECT_INT(VALUE("\x89.")->kind, PICKLE_BOOL);
    expect_integer(VALUE("J\xFE\xFF\xFF\xFF."), -2);
    expect_integer(VALUE("K\xFF."), 255);
    expect_integer(VALUE("M\x00\x80."), 32768);
    expect_integer(VALUE("\x8A\x00."), 0);
    expect_integer(VALUE("\x8A\x01\x80."), -128);
    expect_integer(VALUE("\x8A\x02\x00\x80."), -32768);
    expect_integer(VALUE("\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F."), INT64_MAX);
    expect_integer(VALUE("\x8B\x01\x00\x00\x00\x05."), 5);
    EXPECT_INT(VALUE("\x8A\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.")->kind, PICKLE_LONG);
    EXPECT_NEAR(VALUE("G\xBF\xF8\x00\x00\x00\x00\x00\x00.")->number, -1.5, 0);
    expect_integer(VALUE("I-12\n."), -12);
    expect_integer(VALUE("L12L\n."), 12);
    EXPECT_INT(VALUE("I01\n.")->kind, PICKLE_BOOL);
    EXPECT_NEAR(VALUE("F-1.5e3\n.")->number, -1500, 0);
    EXPECT(isinf(VALUE("Finf\n.")->number));
}

static void texts(void) {
    EXPECT(pickle_is_text(VALUE("U\x03"
                                "abc."),
                          "abc"));
    EXPECT(pickle_is_text(VALUE("T\x03\x00\x00\x00"
                                "abc."),
                          "abc"));
    EXPECT_INT(VALUE("C\x03"
                     "abc.")
                   ->kind,
               PICKLE_BYTES);
    EXPECT(pickle_is_text(VALUE("B\x03\x00\x00\x00"
                                "abc."),
                          "abc"));
    EXPECT(pickle_is_text(VALUE("\x8E\x03\x00\x00\x00\x00\x00\x00\x00"
                                "abc."),
                          "abc"));
    EXPECT(pickle_is_text(VALUE("\x96\x03\x00\x00\x00\x00\x00\x00\x00"
                                "abc."),
                          "abc"));
    EXPECT_INT(VALUE("X\x03\x00\x00\x00"
                     "abc.")
                   ->kind,
               PICKLE_TEXT);
    EXPECT(pickle_is_text(VALUE("\x8C\x00."), ""));
    EXPECT(pickle_is_text(VALUE("\x8D\x01\x00\x00\x00\x00\x00\x00\x00"
                                "a."),
                          "a"));
    EXPECT(pickle_is_text(VALUE("S'a\\'b\\n\\x41\\102\\\\'\n."), "a'b\nAB\\"));
    EXPECT(pickle_is_text(VALUE("S\"\"\n."), ""));
    EXPECT(pickle_is_text(VALUE("Va\\u00e9\xE9\\u65e5\\U0001f600\\x\n."), "aéé日😀\\x"));
}

static void containers(void) {
    const struct pickle_value *value = VALUE("(K\x01K\x02K\x03t.");
    EXPECT_INT(value->kind, PICKLE_TUPLE);
    EXPECT_INT(value->list.count, 3);
    expect_integer(value->list.items[2], 3);
    EXPECT_INT(VALUE("K\x01K\x02\x86.")->list.count, 2);
    EXPECT_INT(VALUE("(K\x01K\x02l.")->kind, PICKLE_LIST);
    value = VALUE("]K\x01"
                  "a(K\x02K\x03"
                  "eK\x04"
                  "a.");
    EXPECT_INT(value->list.count, 4);
    expect_integer(value->list.items[3], 4);
    value = VALUE("}U\x01"
                  "aK\x01s(U\x01"
                  "bK\x02U\x01"
                  "aK\x03u.");
    expect_integer(pickle_get(value, "b"), 2);
    expect_integer(pickle_get(value, "a"), 3); // the last one
    EXPECT(pickle_get(value, "c") == NULL);
    EXPECT(pickle_get(value->list.items[1], "a") == NULL);
    EXPECT_INT(VALUE("(U\x01"
                     "aK\x01"
                     "d.")
                   ->kind,
               PICKLE_DICT);
    EXPECT_INT(VALUE(").")->list.count, 0);
    expect_integer(VALUE("K\x01K\x02"
                         "0."),
                   1);
    expect_integer(VALUE("K\x01(K\x02K\x03"
                         "1."),
                   1);
    EXPECT_INT(VALUE("K\x01"
                     "2\x86.")
                   ->list.count,
               2);
    expect_integer(VALUE("\x80\x05\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x07."), 7);
}

static void memo(void) {
    expect_integer(VALUE("K\x01q\x05"
                         "0h\x05."),
                   1);
    expect_integer(VALUE("K\x01r\x00\x10\x00\x00"
                         "0j\x00\x10\x00\x00."),
                   1);
    expect_integer(VALUE("K\x01p12\n0g12\n."), 1);
    expect_integer(VALUE("K\x01\x94K\x02\x94"
                         "00h\x01."),
                   2);
    // A list that contains itself is no reason to stop.
    const struct pickle_value *value = VALUE("]q\x00h\x00"
                                             "a.");
    EXPECT(value->list.items[0] == value);
}

#define STORAGE                                                                                    \
    "(U\x07storagectorch\nFloatStorage\nU\x01"                                                     \
    "0U\x03"                                                                                       \
    "cpuK\x06tQ"

static void objects(void) {
    EXPECT_INT(VALUE("ccollections\nOrderedDict\n)R.")->kind, PICKLE_DICT);
    const struct pickle_value *value = VALUE("ccollections\nOrderedDict\n(]]U\x01"
                                             "aaK\x01"
                                             "aatR."); // Python 2
    EXPECT_INT(value->list.count, 2);
    expect_integer(pickle_get(value, "a"), 1);
    EXPECT_INT(VALUE("ccollections\nCounter\n(}K\x01K\x02stR.")->list.count, 2);
    EXPECT_INT(VALUE("\x8C\x0B"
                     "collections\x8C\x0BOrderedDict\x93)R}b.")
                   ->kind,
               PICKLE_DICT);
    EXPECT(pickle_is_text(VALUE("c_codecs\nencode\n(X\x04\x00\x00\x00"
                                "a\xC3\xA9z"
                                "X\x06\x00\x00\x00latin1tR."),
                          "a\xE9z"));
    EXPECT_INT(VALUE("c__builtin__\nbytes\n)R.")->text.size, 0);
    value = VALUE("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "K\x01(K\x02K\x02t(K\x02K\x01t"
                  "\x89}tR.");
    EXPECT_INT(value->kind, PICKLE_TENSOR);
    EXPECT_INT(value->tensor->num_dims, 2);
    EXPECT_INT(value->tensor->offset, 1);
    EXPECT_INT(value->tensor->strides[0], 2);
    EXPECT_INT(value->tensor->type.dtype, SAFETENSOR_F32);
    EXPECT_INT(value->tensor->storage->count, 6);
    EXPECT_INT(VALUE("cnumpy.core.multiarray\nscalar\n)R.")->kind, PICKLE_OTHER);
}

static void more_than_data(void) {
    static const char *const names[][2] = {
        {"os\nsystem", "os.system"},
        {"posix\nsystem", "posix.system"},
        {"__builtin__\neval", "__builtin__.eval"},
        {"builtins\ngetattr", "builtins.getattr"},
        {"subprocess\nPopen", "subprocess.Popen"},
        {"argparse\nNamespace", "argparse.Namespace"},
        {"torch\nload", "torch.load"},
        {"numpy.core.multiarray\nfromfile", "numpy.core.multiarray.fromfile"},
        {"collections\nOrderedDict.fromkeys", "OrderedDict.fromkeys"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[128];
        int size = snprintf(text, sizeof text, "c%s\n(U\x04trueetR.", names[i][0]);
        refuse(text, size, STATUS_UNSUPPORTED, names[i][1]);
        EXPECT_CONTAINS(err.message, "nothing was executed");
    }
    REFUSE("\x8C\x02os\x8C\x06system\x93.", STATUS_UNSUPPORTED, "os.system");
    // Opcodes that make objects of any class, or look for persistent ids and extensions.
    static const char codes[] = {'i',    'o',    'P',    '\x81', '\x82', '\x83', '\x84',
                                 '\x92', '\x97', '\x98', '\x8F', '\xFF', 'z',    '\0'};
    for (size_t i = 0; i < sizeof codes; i++) {
        const char text[] = {'N', codes[i], '.'};
        char message[16];
        snprintf(message, sizeof message, "opcode 0x%02x", (unsigned)(unsigned char)codes[i]);
        refuse(text, 3, STATUS_DATA, message);
    }
}

static void malformed(void) {
    REFUSE("", STATUS_DATA, "1 bytes expected, 0 are left");
    REFUSE("N", STATUS_DATA, "1 bytes expected, 0 are left");
    REFUSE(".", STATUS_DATA, "1 values expected on the stack, found 0");
    REFUSE("(.", STATUS_DATA, "1 values expected");
    REFUSE("N(.", STATUS_DATA, "1 values expected"); // not from below the mark
    REFUSE("N(\x85.", STATUS_DATA, "1 values expected");
    REFUSE("t.", STATUS_DATA, "no mark");
    REFUSE("1.", STATUS_DATA, "no mark");
    REFUSE("NNa.", STATUS_DATA, "None on the stack, expected a list");
    REFUSE("}Na.", STATUS_DATA, "a dictionary on the stack, expected a list");
    REFUSE("}(Nu.", STATUS_DATA, "1 values for keys and values");
    REFUSE("(Nd.", STATUS_DATA, "1 values for keys and values");
    REFUSE("h\x00.", STATUS_DATA, "memo 0 is empty");
    REFUSE("q\x00.", STATUS_DATA, "1 values expected");
    REFUSE("Nr\xFF\xFF\xFF\xFF.", STATUS_UNSUPPORTED, "memo 4294967295");
    REFUSE("Np-1\n.", STATUS_UNSUPPORTED, "memo ");
    REFUSE("Np\n.", STATUS_UNSUPPORTED, "memo ");
    REFUSE("Ng99999999999999999999\n.", STATUS_DATA, " is empty");
    REFUSE("\x80\x06N.", STATUS_UNSUPPORTED, "protocol 6");
    REFUSE("X\xFF\xFF\xFF\xFF"
           "a.",
           STATUS_DATA, "4294967295 bytes expected, 2 are left");
    REFUSE("\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
           "a.",
           STATUS_DATA, "bytes expected, 2 are left");
    REFUSE("\x8B\xFF\xFF\xFF\xFF.", STATUS_DATA, "bytes expected");
    REFUSE("I12", STATUS_DATA, "a line without an end");
    REFUSE("Iabc\n.", STATUS_DATA, "\"abc\", expected a whole number");
    REFUSE("I99999999999999999999\n.", STATUS_DATA, "expected a whole number of 64 bits");
    REFUSE("Fabc\n.", STATUS_DATA, "expected a number");
    REFUSE("Sabc\n.", STATUS_DATA, "without quotes");
    REFUSE("S'abc\"\n.", STATUS_DATA, "without quotes");
    REFUSE("S'\\x4'\n.", STATUS_DATA, "unknown escape");
    REFUSE("S'\\q'\n.", STATUS_DATA, "unknown escape");
    REFUSE("S'\\'\n.", STATUS_DATA, "unknown escape");
    REFUSE("V\\u12\n.", STATUS_DATA, "unknown escape");
    REFUSE("V\\U99999999\n.", STATUS_DATA, "unknown escape");
    REFUSE("NN\x93.", STATUS_DATA, "a name that is None");
}

static void malformed_objects(void) {
    REFUSE("NNR.", STATUS_DATA, "a call of None with None");
    REFUSE("ctorch\nFloatStorage\n)R.", STATUS_DATA, "a call of a type");
    REFUSE("Nb.", STATUS_DATA, "2 values expected");
    REFUSE("NNb.", STATUS_DATA, "a state for None");
    REFUSE("NQ.", STATUS_DATA, "no storage of PyTorch's");
    REFUSE("(U\x07storageNNNNtQ.", STATUS_DATA, "argument 2 is None, expected a function");
    REFUSE("(U\x07storagecnumpy\ndtype\nU\x01"
           "0NK\x06tQ.",
           STATUS_DATA, "without a type");
    REFUSE("(U\x07storagectorch\nFloatStorage\nU\x01"
           "0NJ\xFF\xFF\xFF\xFFtQ.",
           STATUS_DATA, "without a type, a key or a size");
    REFUSE("(U\x07storagectorch\nFloatStorage\nU\x01"
           "0NK\x01K\x01tQ.",
           STATUS_UNSUPPORTED, "a view of another one");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n)R.", STATUS_DATA, "0 arguments");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "K\x00(K\x02t)tR.", STATUS_DATA,
           "0 strides for 1 dimensions");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "J\xFF\xFF\xFF\xFF(K\x02t(K\x01ttR.",
           STATUS_DATA, "an offset of -1");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "K\x00(J\xFF\xFF\xFF\xFFt(K\x01ttR.",
           STATUS_DATA, "a size of -1");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "K\x00(Nt(NttR.", STATUS_DATA,
           "argument 1 is None, expected a whole number");
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE "K\x00(K\x01K\x01K\x01K\x01K\x01K\x01"
           "K\x01K\x01K\x01t)tR.",
           STATUS_UNSUPPORTED, "9 dimensions");
    REFUSE("ctorch._utils\n_rebuild_parameter\n(NtR.", STATUS_DATA, "argument 1 is None");
    REFUSE("ccollections\nOrderedDict\n(]NaatR.", STATUS_DATA, "expected");
    REFUSE("ccollections\nOrderedDict\n(NtR.", STATUS_DATA, "a dictionary of None");
    REFUSE("cnumpy\ndtype\n)R.", STATUS_DATA, "without a code");
    REFUSE("cnumpy\ndtype\n(U\x02"
           "f4tRNb.",
           STATUS_DATA, "without a byte order");
    REFUSE("cnumpy.core.multiarray\n_reconstruct\n)RNb.", STATUS_DATA, "none of an array's");
    REFUSE("c_codecs\nencode\n(X\x01\x00\x00\x00"
           "aX\x04\x00\x00\x00utf8tR.",
           STATUS_UNSUPPORTED, "other than latin1");
    REFUSE("c_codecs\nencode\n(X\x03\x00\x00\x00\xE2\x82\xACX\x06\x00\x00\x00latin1tR.",
           STATUS_DATA, "that latin1 does not have");
    REFUSE("c_codecs\nencode\n(X\x01\x00\x00\x00\xC3X\x06\x00\x00\x00latin1tR.", STATUS_DATA,
           "that latin1 does not have");
}

#define DTYPE                                                                                      \
    "cnumpy\ndtype\n(U\x02"                                                                        \
    "f4K\x00K\x01tR(K\x03U\x01<NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK\x00tb"
#define ARRAY                                                                                      \
    "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01"                       \
    "btR"

static void arrays(void) {
    const struct pickle_value *value = VALUE(ARRAY "(K\x01K\x02\x85" DTYPE "\x89U\x08"
                                                   "abcdefghtb.");
    EXPECT_INT(value->kind, PICKLE_TENSOR);
    EXPECT_INT(value->tensor->shape[0], 2);
    EXPECT_INT(value->tensor->data.size, 8);
    value = VALUE(ARRAY "(K\x01K\x01K\x02\x86" DTYPE "\x88U\x08"
                        "abcdefghtb.");
    EXPECT_INT(value->tensor->strides[0], 1); // Fortran's order
    EXPECT_INT(value->tensor->strides[1], 1);
    REFUSE(ARRAY "(K\x01K\x03\x85" DTYPE "\x89U\x08"
                 "abcdefghtb.",
           STATUS_DATA, "8 bytes, which its shape and type contradict");
    REFUSE(ARRAY "(K\x01(\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F"
                 "K\x04t" DTYPE "\x89U\x08"
                 "abcdefghtb.",
           STATUS_DATA, "contradict");
    REFUSE(ARRAY "(K\x01K\x02\x85" DTYPE "\x89Ntb.", STATUS_DATA, "expected bytes");
    // An array of objects is none of numbers, but no error before somebody wants it.
    value = VALUE(ARRAY "(K\x01K\x02\x85"
                        "cnumpy\ndtype\n(U\x02O8tR\x89]tb.");
    EXPECT(!value->tensor->type.known);
    REFUSE("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE
           "K\x00(K\x02t(K\x01ttR(K\x01K\x02\x85" DTYPE "\x89U\x08"
           "abcdefghtb.",
           STATUS_DATA, "a state for a tensor");
}

// ---- Files that ask for too much ----

static void repeated(struct output *out, const char *text, int count) {
    for (int i = 0; i < count; i++)
        output_text(out, text);
}

static void bombs(void) {
    static const struct {
        const char *start;
        const char *again;
        int count;
        const char *message;
    } cases[] = {
        {"", "(", PICKLE_MAX_MARKS + 1, "marks inside one another"},
        {"N", "2", PICKLE_MAX_STACK, "values on the stack"},
        {"]", "Na", PICKLE_MAX_ITEMS, "values that are read at most"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct output out;
        output_open_memory(&out);
        output_text(&out, cases[i].start);
        repeated(&out, cases[i].again, cases[i].count);
        output_text(&out, ".");
        refuse(out.data, out.size, STATUS_UNSUPPORTED, cases[i].message);
        output_discard(&out);
    }
}

// A dictionary of 2000 pairs, made again and again from one list: quadratic in the file's size.
static void shared_list(void) {
    struct output out;
    output_open_memory(&out);
    output_text(&out, "ccollections\nOrderedDict\nq\1]q\2(");
    repeated(&out, "]NaNa", 2000);
    output_text(&out, "e\x85q\3");
    repeated(&out, "h\1h\3R", 2000);
    output_text(&out, ".");
    refuse(out.data, out.size, STATUS_UNSUPPORTED, "values that are read at most");
    output_discard(&out);
}

// A text of 1000 bytes, encoded again and again.
static void shared_text(void) {
    struct output out;
    output_open_memory(&out);
    output_text(&out, "c_codecs\nencode\nq\1(V");
    repeated(&out, "aaaaaaaaaa", 100);
    output_text(&out, "\nVlatin1\ntq\2");
    repeated(&out, "h\1h\2R", 1000);
    output_text(&out, ".");
    refuse(out.data, out.size, STATUS_UNSUPPORTED, "encoded many times");
    output_discard(&out);
}

int main(int argc, char **argv) {
    int status = run_cases(argc, argv,
                           (struct test_case[]){{"numbers", numbers},
                                                {"texts", texts},
                                                {"containers", containers},
                                                {"memo", memo},
                                                {"objects", objects},
                                                {"more_than_data", more_than_data},
                                                {"malformed", malformed},
                                                {"malformed_objects", malformed_objects},
                                                {"arrays", arrays},
                                                {"bombs", bombs},
                                                {"shared_list", shared_list},
                                                {"shared_text", shared_text},
                                                {0}});
    arena_destroy(&arena);
    return status;
}
