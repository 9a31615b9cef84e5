// Rules that give a tensor's module its name in our models.
//
// A rule's left side is the name of a module in which # stands for a number and a * at the end for
// anything; on its right side {1} stands for the first number, {2-1} for the second less one,
// {1+5} for the first and five more, and * for what the left one stood for:
//
//     {"backbone.fpn_lateral#", "backbone.fpn.inner_blocks.{1-2}.0"}
#pragma once

#include <stdbool.h>

struct rename_rule {
    const char *from; // NULL ends a list
    const char *to;
};

enum { RENAME_BYTES = 512 };

// Whether text is of the pattern's form.
bool rename_matches(const char *pattern, const char *text);

// The name by the first rule that fits, in to; false if none does, or if the name has no room.
bool rename_module(const struct rename_rule *rules, const char *from, char to[RENAME_BYTES]);
