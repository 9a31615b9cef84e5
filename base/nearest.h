// "Did you mean ...?": the known name that a mistyped one is closest to.
//
//     struct nearest nearest = {.wanted = "clases"};
//     for (int i = 0; i < count; i++)
//         nearest_offer(&nearest, names[i]);
//     const char *name = nearest_name(&nearest); // "classes", or NULL
#pragma once

// Names of more bytes than this are never close to another.
enum { NEAREST_MAX_BYTES = 63 };

struct nearest {
    const char *wanted;
    const char *best; // NULL until something is offered
    int distance;     // of best
};

// Keeps candidate (borrowed) if it is closer to wanted than all before it.
void nearest_offer(struct nearest *nearest, const char *candidate);

// The closest candidate if at most a third of its letters are wrong, else NULL: a far-fetched
// suggestion is worse than none.
const char *nearest_name(const struct nearest *nearest);

// How many insertions, deletions, replacements and swaps of neighbours turn a into b: the
// Damerau-Levenshtein distance with adjacent transpositions (Lowrance and Wagner, "An Extension of
// the String-to-String Correction Problem", 1975). Both have at most NEAREST_MAX_BYTES bytes.
int nearest_distance(const char *a, const char *b);
