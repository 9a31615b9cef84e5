#include "server/framing.h"

#include <string.h>
#include <strings.h>

static bool is_named(const struct header *header, const char *name) {
    return header->name_size == strlen(name) &&
           strncasecmp(header->name, name, header->name_size) == 0;
}

const char *header_find(const struct request_head *head, const char *name) {
    for (int i = 0; i < head->num_headers; i++)
        if (is_named(&head->headers[i], name)) return head->headers[i].value;
    return NULL;
}

static int count(const struct request_head *head, const char *name) {
    int number = 0;
    for (int i = 0; i < head->num_headers; i++)
        number += is_named(&head->headers[i], name);
    return number;
}

// RFC 9110, section 5.6.2.
static bool is_token(const char *text, size_t size) {
    static const char OTHERS[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alphanumeric && (c == '\0' || !strchr(OTHERS, c))) return false;
    }
    return size > 0;
}

// Nothing but tabs of what steers a terminal or ends a line.
static bool is_plain(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

static bool check_headers(const struct request_head *head, struct fault *fault) {
    if (head->has_too_many)
        return fault_set_limit(fault, FAULT_AMBIGUOUS_FRAMING, MAX_HEADERS, MAX_HEADERS + 1,
                               "there are more than %d headers", MAX_HEADERS);
    for (int i = 0; i < head->num_headers; i++) {
        const struct header *h = &head->headers[i];
        if (!is_token(h->name, h->name_size))
            return fault_set(fault, FAULT_AMBIGUOUS_FRAMING, "the name of header %d is none",
                             i + 1);
        if (!h->is_ended_well)
            return fault_set(fault, FAULT_AMBIGUOUS_FRAMING,
                             "the line of header %d holds a NUL or does not end in CR LF", i + 1);
        if (!is_plain(h->value, h->value_size))
            return fault_set(fault, FAULT_AMBIGUOUS_FRAMING,
                             "the value of header %d holds a control character", i + 1);
    }
    return true;
}

// False unless text is a plain decimal number that fits.
static bool parse_length(const char *text, int64_t *length) {
    enum { MOST_DIGITS = 18 };
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > MOST_DIGITS || text[digits]) return false;
    *length = 0;
    for (size_t i = 0; i < digits; i++)
        *length = 10 * *length + (text[i] - '0');
    return true;
}

static bool check_length(struct request_head *head, struct fault *fault) {
    int lengths = count(head, "Content-Length");
    int codings = count(head, "Transfer-Encoding");
    head->content_length = -1;
    head->is_chunked = codings > 0;
    if (lengths > 1)
        return fault_set(fault, FAULT_AMBIGUOUS_FRAMING, "Content-Length is given %d times",
                         lengths);
    if (lengths > 0 && codings > 0)
        return fault_set(fault, FAULT_AMBIGUOUS_FRAMING,
                         "both Content-Length and Transfer-Encoding are given");
    if (codings > 1 ||
        (codings == 1 && strcasecmp(header_find(head, "Transfer-Encoding"), "chunked") != 0))
        return fault_set(fault, FAULT_AMBIGUOUS_FRAMING,
                         "Transfer-Encoding is not \"chunked\", the one that is known here");
    if (lengths == 1 && !parse_length(header_find(head, "Content-Length"), &head->content_length))
        return fault_set(fault, FAULT_AMBIGUOUS_FRAMING, "Content-Length is not a decimal number");
    return true;
}

bool framing_check(struct request_head *head, struct fault *fault) {
    bool is_old = strcmp(head->version, "HTTP/1.0") == 0;
    const char *expect = header_find(head, "Expect");
    int hosts = count(head, "Host");
    head->expects_continue = expect && strcasecmp(expect, "100-continue") == 0;
    if (!is_old && strcmp(head->version, "HTTP/1.1") != 0)
        return fault_set(fault, FAULT_AMBIGUOUS_FRAMING,
                         "the version is neither HTTP/1.1 nor HTTP/1.0");
    if (!check_headers(head, fault) || !check_length(head, fault)) return false;
    if (hosts > 1 || (hosts == 0 && !is_old))
        return fault_set(fault, FAULT_AMBIGUOUS_FRAMING, "Host is given %d times instead of once",
                         hosts);
    if (is_old && head->is_chunked)
        return fault_set(fault, FAULT_AMBIGUOUS_FRAMING, "HTTP/1.0 knows no Transfer-Encoding");
    return true;
}
