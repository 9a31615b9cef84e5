#include "base/nearest.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"

static int smaller(int a, int b) {
    return a < b ? a : b;
}

int nearest_distance(const char *a, const char *b) {
    int rows = (int)strlen(a);
    int columns = (int)strlen(b);
    CHECK(rows <= NEAREST_MAX_BYTES && columns <= NEAREST_MAX_BYTES);
    // cost[i + 1][j + 1] belongs to the first i bytes of a and the first j of b. The outermost row
    // and column are a frame that no path enters.
    int cost[NEAREST_MAX_BYTES + 2][NEAREST_MAX_BYTES + 2];
    int last_row[UCHAR_MAX + 1] = {0}; // the last row of a in which this byte stood
    int never = rows + columns;
    cost[0][0] = never;
    for (int i = 0; i <= rows; i++) {
        cost[i + 1][0] = never;
        cost[i + 1][1] = i;
    }
    for (int j = 0; j <= columns; j++) {
        cost[0][j + 1] = never;
        cost[1][j + 1] = j;
    }
    for (int i = 1; i <= rows; i++) {
        int last_column = 0; // the last column where this row's byte stood in b
        for (int j = 1; j <= columns; j++) {
            int swap_row = last_row[(unsigned char)b[j - 1]];
            int swap_column = last_column;
            bool equal = a[i - 1] == b[j - 1];
            if (equal) last_column = j;
            int best = cost[i][j] + !equal;
            best = smaller(best, cost[i + 1][j] + 1);
            best = smaller(best, cost[i][j + 1] + 1);
            int between = (i - swap_row - 1) + (j - swap_column - 1);
            cost[i + 1][j + 1] = smaller(best, cost[swap_row][swap_column] + between + 1);
        }
        last_row[(unsigned char)a[i - 1]] = i;
    }
    return cost[rows + 1][columns + 1];
}

void nearest_offer(struct nearest *nearest, const char *candidate) {
    if (strlen(nearest->wanted) > NEAREST_MAX_BYTES || strlen(candidate) > NEAREST_MAX_BYTES)
        return;
    int distance = nearest_distance(nearest->wanted, candidate);
    if (nearest->best && distance >= nearest->distance) return;
    nearest->best = candidate;
    nearest->distance = distance;
}

const char *nearest_name(const struct nearest *nearest) {
    if (!nearest->best) return NULL;
    int allowed = ((int)strlen(nearest->best) + 2) / 3;
    return nearest->distance <= allowed ? nearest->best : NULL;
}
