// Forms as clients send them, and as they should not.
#include "server/multipart.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/harness.h"

static struct fault fault;

// All parts as "name(type)=bytes;", then the fault's word. Exact sizes: a sanitizer sees each byte
// that is read beyond the body.
static const char *read_body(const char *content_type, const char *body, int64_t size) {
    static char all[1024];
    struct multipart form;
    struct form_part part;
    uint8_t *exact = memcpy(malloc((size_t)size + (size == 0)), body, (size_t)size);
    char *at = all;
    if (multipart_init(&form, content_type, exact, size, 3, &fault))
        while (multipart_next(&form, &part))
            at += snprintf(at, 256, "%s(%s)=%.*s;", part.name, part.media_type, (int)part.size,
                           (const char *)part.bytes);
    stpcpy(at, fault_word(fault.code));
    free(exact);
    return all;
}

static const char *read_form(const char *body) {
    return read_body("multipart/form-data; boundary=xx", body, (int64_t)strlen(body));
}

#define PART(name, bytes)                                                                          \
    "--xx\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" bytes "\r\n"

#define BYTES(text) text, (int64_t)sizeof(text) - 1

static void reads_forms(void) {
    EXPECT_TEXT(read_form(PART("a", "1") "--xx--\r\n"), "a()=1;");
    EXPECT_TEXT(read_form(PART("a", "") PART("b", "\r\n--x\r\n") "--xx--"),
                "a()=;b()=\r\n--x\r\n;");
    // curl -F image=@a.jpg
    EXPECT_TEXT(
        read_form("--xx\r\nContent-Disposition: form-data; name=\"image\"; "
                  "filename=\"../../etc/passwd\"\r\nContent-Type: image/jpeg\r\n\r\n\xFF\xD8"
                  "\r\n--xx--\r\n"),
        "image(image/jpeg)=\xFF\xD8;");
    EXPECT_TEXT(read_form("text that nobody reads\r\n" PART("a", "1") "--xx--\r\nand more"),
                "a()=1;");
    EXPECT_TEXT(read_form("--xx \t\r\ncontent-disposition:form-data;name=a\r\n"
                          "content-transfer-encoding: Binary\r\nX-Other: y\r\n\r\n1\r\n--xx--"),
                "a()=1;");
    EXPECT_TEXT(
        read_body("multipart/form-data; boundary=\"a b\"",
                  BYTES("--a b\r\nContent-Disposition: form-data; name=a\r\n\r\n\0z\r\n--a b--")),
        "a()=;");
}

static void refuses_forms(void) {
    static const char *const BAD[] = {
        "",
        "--xx",
        "--xx\r\n",
        "--xx\r\n\r\n",
        "--yy\r\n"
        "Content-Disposition: form-data; name=a\r\n\r\n1\r\n--yy--",
        PART("a", "1"),
        PART("a", "1") "--xx",
        PART("a", "1") "--xxy",
        PART("", "1") "--xx--",
        "--xx\nContent-Disposition: form-data; name=a\n\n1\n--xx--",
        "--xx\r\nContent-Disposition: form-data; filename=a\r\n\r\n1\r\n--xx--",
        "--xx\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--xx--",
        "--xx\r\nContent-Type: text/plain\r\n\r\n1\r\n--xx--",
        "--xx\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
        "name=b\r\n\r\n1\r\n--xx--",
        "--xx\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
        "base64\r\n\r\n"
        "MQ==\r\n--xx--",
        "--xx\r\nContent-Disposition: form-data; name=\"0123456789012345678901234567890123456789"
        "012345678901234567890123\"\r\n\r\n1\r\n--xx--",
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const char *got = read_form(BAD[i]);
        EXPECT_CONTAINS(got, "bad_multipart");
        EXPECT(fault.message[0] != '\0');
    }
    EXPECT_TEXT(read_form(PART("a", "1") PART("b", "2") PART("c", "3") "--xx--"),
                "a()=1;b()=2;c()=3;");
    EXPECT_CONTAINS(read_form(PART("a", "1") PART("b", "2") PART("c", "3") PART("d", "4") "--xx--"),
                    "c()=3;bad_multipart");
    EXPECT_INT(fault.limit, 3);
    EXPECT_INT(fault.got, 4);
}

static void refuses_headers(void) {
    static const char *const TYPES[] = {
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"xx",
        "multipart/form-data; "
        "boundary=01234567890123456789012345678901234567890123456789012345678901"
        "234567890",
    };
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        EXPECT_TEXT(read_body(TYPES[i], BYTES(PART("a", "1") "--xx--")), "bad_multipart");
    static char long_header[4096];
    char *behind = stpcpy(long_header, "--xx\r\n");
    memset(behind, 'x', (size_t)(long_header + sizeof long_header - 1 - behind));
    EXPECT_TEXT(read_form(long_header), "bad_multipart");
    char many[1024];
    char *at = stpcpy(many, "--xx\r\n");
    for (int i = 0; i < 17; i++)
        at = stpcpy(at, "a: b\r\n");
    stpcpy(at, "\r\n1\r\n--xx--");
    EXPECT_TEXT(read_form(many), "bad_multipart");
    EXPECT_TEXT(fault.message, "the form has a part of more than 16 headers");
    EXPECT_TEXT(
        read_body(
            "multipart/form-data; boundary=xx",
            BYTES("--xx\r\nContent-Disposition: form-data; name=a\r\nX: y\0z\r\n\r\n1\r\n--xx--")),
        "bad_multipart");
}

// Whatever is cut off, the form is refused, never read beyond.
static void refuses_cut_forms(void) {
    static const char WHOLE[] = PART("a", "1") PART("b", "22") "--xx--";
    for (int64_t size = 0; size < (int64_t)sizeof WHOLE - 1; size++)
        EXPECT_CONTAINS(read_body("multipart/form-data; boundary=xx", WHOLE, size),
                        "bad_multipart");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"reads_forms", reads_forms},
                         {"refuses_forms", refuses_forms},
                         {"refuses_headers", refuses_headers},
                         {"refuses_cut_forms", refuses_cut_forms},
                         {0},
                     });
}
