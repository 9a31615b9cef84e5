// Who may ask. A token is 256 random bits, shown once; the file has one line for each:
//
//     NAME SCOPE,SCOPE HEX     # HEX: SHA-256 of the token's text
//
// Readers of the file learn no token. It must not be readable by others than its owner.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/sha256.h"

enum token_scope { SCOPE_DETECT = 1, SCOPE_METRICS = 2 }; // bits
extern const char *const TOKEN_SCOPE_NAMES[];             // of bits 0, 1, ..; NULL at the end

enum { TOKEN_TEXT_BYTES = 65 }; // hexadecimal digits and a NUL

struct token {
    char *name;
    unsigned scopes;
    uint8_t digest[SHA256_BYTES];
};

struct tokens {
    struct arena arena;
    struct token *items;
    int64_t count;
};

MUST_CHECK enum status tokens_load(struct tokens *tokens, const char *path, struct error *err);
void tokens_destroy(struct tokens *tokens); // a zeroed struct is fine

// The token whose text that is, NULL if none. Compares all of them in the same time, whatever text
// is.
const struct token *tokens_find(const struct tokens *tokens, const char *text);

// A new token's text and the line for the file.
struct output;
MUST_CHECK enum status token_create(char text[TOKEN_TEXT_BYTES], struct output *line,
                                    const char *name, unsigned scopes, struct error *err);
