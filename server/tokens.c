#include "server/tokens.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/file_view.h"
#include "base/output.h"

const char *const TOKEN_SCOPE_NAMES[] = {"detect", "metrics", NULL};

enum { MAX_FILE_BYTES = 1 << 20, MAX_TOKENS = 4096 };

static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_digest(const char *text, uint8_t digest[SHA256_BYTES]) {
    if (strlen(text) != 2 * SHA256_BYTES) return false;
    for (int i = 0; i < SHA256_BYTES; i++) {
        int high = digit_value(text[2 * i]);
        int low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        digest[i] = (uint8_t)(16 * high + low);
    }
    return true;
}

static bool parse_scopes(char *text, unsigned *scopes) {
    char *rest = NULL;
    *scopes = 0;
    for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        int bit = 0;
        while (TOKEN_SCOPE_NAMES[bit] && strcmp(TOKEN_SCOPE_NAMES[bit], word) != 0)
            bit++;
        if (!TOKEN_SCOPE_NAMES[bit]) return false;
        *scopes |= 1U << bit;
    }
    return *scopes != 0;
}

static enum status parse_line(struct tokens *tokens, char *line, const char *path, int64_t number,
                              struct error *err) {
    char *rest = NULL;
    const char *name = strtok_r(line, " \t\r", &rest);
    if (!name || *name == '#') return STATUS_OK;
    char *scopes = strtok_r(NULL, " \t\r", &rest);
    const char *digest = strtok_r(NULL, " \t\r", &rest);
    const char *more = strtok_r(NULL, " \t\r", &rest);
    struct token *token = &tokens->items[tokens->count];
    if (tokens->count == MAX_TOKENS)
        return error_set(err, STATUS_DATA, "%s: there are more than %d tokens", path, MAX_TOKENS);
    if (!scopes || !digest || (more && *more != '#') || !parse_scopes(scopes, &token->scopes) ||
        !parse_digest(digest, token->digest))
        return error_set(err, STATUS_DATA,
                         "%s: line %lld: expected a name, scopes (detect, metrics) and 64 "
                         "hexadecimal digits, as gctmask token prints",
                         path, (long long)number);
    token->name = arena_copy_text(&tokens->arena, name, (int64_t)strlen(name));
    if (!token->name) return error_memory(err, "a token", (long long)strlen(name));
    tokens->count++;
    return STATUS_OK;
}

static enum status parse(struct tokens *tokens, const struct file_view *view, const char *path,
                         struct error *err) {
    char *text = arena_copy_text(&tokens->arena, view->size ? view->data : "", view->size);
    tokens->items = arena_alloc_zero(&tokens->arena, MAX_TOKENS, sizeof *tokens->items);
    if (!text || !tokens->items) return error_memory(err, "tokens", view->size);
    int64_t number = 0;
    for (char *line = text; line;) {
        char *end = strchr(line, '\n');
        if (end) *end = '\0';
        TRY(parse_line(tokens, line, path, ++number, err));
        line = end ? end + 1 : NULL;
    }
    if (tokens->count > 0) return STATUS_OK;
    return error_set(err, STATUS_DATA, "%s: there is no token in it", path);
}

static enum status check_mode(const char *path, struct error *err) {
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set(err, STATUS_NO_INPUT, "%s: cannot read: %s", path, strerror(errno));
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) == 0) return STATUS_OK;
    return error_set(err, STATUS_DATA,
                     "%s: others than its owner may read or write it: chmod 600 %s", path, path);
}

enum status tokens_load(struct tokens *tokens, const char *path, struct error *err) {
    struct file_view view;
    *tokens = (struct tokens){0};
    TRY(check_mode(path, err));
    TRY(file_view_open(&view, path, MAX_FILE_BYTES, err));
    arena_init(&tokens->arena, 1 << 14, 0);
    enum status status = parse(tokens, &view, path, err);
    file_view_close(&view);
    if (status != STATUS_OK) tokens_destroy(tokens);
    return status;
}

void tokens_destroy(struct tokens *tokens) {
    arena_destroy(&tokens->arena);
    *tokens = (struct tokens){0};
}

static void digest_of(const char *text, uint8_t digest[SHA256_BYTES]) {
    struct sha256 hash = sha256_start();
    sha256_add(&hash, text, (int64_t)strlen(text));
    sha256_finish(&hash, digest);
}

const struct token *tokens_find(const struct tokens *tokens, const char *text) {
    const struct token *found = NULL;
    uint8_t digest[SHA256_BYTES];
    digest_of(text, digest);
    for (int64_t i = 0; i < tokens->count; i++) {
        unsigned difference = 0;
        for (int k = 0; k < SHA256_BYTES; k++)
            difference |= (unsigned)(digest[k] ^ tokens->items[i].digest[k]);
        if (difference == 0) found = &tokens->items[i];
    }
    return found;
}

enum status token_create(char text[TOKEN_TEXT_BYTES], struct output *line, const char *name,
                         unsigned scopes, struct error *err) {
    uint8_t bytes[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    if (*name == '\0' || *name == '#' || strpbrk(name, " \t\r\n"))
        return error_set(err, STATUS_USAGE, "the name \"%s\" is empty or has white space", name);
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return error_set(err, STATUS_INTERNAL, "the system has no random bytes: %s",
                         strerror(errno));
    sha256_hex(bytes, text);
    digest_of(text, bytes);
    sha256_hex(bytes, hex);
    output_printf(line, "%s ", name);
    const char *comma = "";
    for (int bit = 0; TOKEN_SCOPE_NAMES[bit]; bit++) {
        if (!(scopes & 1U << bit)) continue;
        output_printf(line, "%s%s", comma, TOKEN_SCOPE_NAMES[bit]);
        comma = ",";
    }
    output_printf(line, " %s\n", hex);
    return STATUS_OK;
}
