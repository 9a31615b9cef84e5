#include "tools/axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

// The smallest of 1, 2 and 5 times a power of ten that is not below the value.
static double round_up(double value) {
    double power = pow(10, floor(log10(value)));
    double share = value / power;
    const double slack = 1 + 1e-9; // 1000 may come out as 1.0000000000000002e3
    if (share <= 1 * slack) return power;
    if (share <= 2 * slack) return 2 * power;
    if (share <= 5 * slack) return 5 * power;
    return 10 * power;
}

// The range that a linear axis covers at least. Values (but not steps) that differ by less than a
// ten-thousandth count as constant.
static struct range covered(enum axis_kind kind, struct range range) {
    const double near_zero = 0.3; // of the larger end: then 0 is shown
    const double constant = kind == AXIS_STEPS ? 0 : 1e-4;
    const double smallest = 1e-300;
    double size = fmax(fabs(range.low), fabs(range.high));
    if (size < smallest) return (struct range){0, 1};
    if (range.high - range.low <= constant * size) {
        const double room = 1.5;
        if (range.high > 0) return (struct range){0, room * range.high};
        return (struct range){room * range.low, 0};
    }
    if (range.low > 0 && range.low <= near_zero * range.high) range.low = 0;
    if (range.high < 0 && range.high >= near_zero * range.low) range.high = 0;
    return range;
}

static void choose_linear(struct axis *axis, struct range range, int num_ticks) {
    range = covered(axis->kind, range);
    double step = round_up((range.high - range.low) / num_ticks);
    if (axis->kind == AXIS_STEPS && step < 1) step = 1;
    double first = ceil(range.low / step - 1e-9);
    double last = floor(range.high / step + 1e-9);
    // Values look best between two ticks, steps end where training ended.
    if (axis->kind != AXIS_STEPS) {
        first = floor(range.low / step + 1e-9);
        last = ceil(range.high / step - 1e-9);
        range = (struct range){first * step, last * step};
    }
    axis->low = range.low;
    axis->high = range.high;
    axis->num_ticks = (int)fmin(last - first + 1, AXIS_MAX_TICKS);
    for (int i = 0; i < axis->num_ticks; i++)
        axis->ticks[i] = (first + i) * step;
    int exponent = (int)floor(log10(fmax(fabs(axis->low), fabs(axis->high))) + 1e-9);
    axis->exponent = axis->kind == AXIS_LINEAR && (exponent < -3 || exponent > 4) ? exponent : 0;
}

// A little more than the range, with ticks at powers of ten, and at 2 and 5 times these if there
// are only a few.
static void choose_logarithmic(struct axis *axis, struct range range, int num_ticks) {
    const double margin = 1.3;
    const double few = 1000;
    axis->low = range.low / margin;
    axis->high = range.high * margin;
    int first = (int)floor(log10(axis->low));
    int last = (int)floor(log10(axis->high));
    int step = (last - first) / num_ticks + 1;
    bool has_digits = axis->high / axis->low < few;
    for (int i = first; i <= last; i += step) {
        static const int digits[] = {1, 2, 5};
        for (int k = 0; k < (has_digits ? 3 : 1); k++) {
            double tick = digits[k] * pow(10, i);
            if (tick >= axis->low && tick <= axis->high && axis->num_ticks < AXIS_MAX_TICKS)
                axis->ticks[axis->num_ticks++] = tick;
        }
    }
}

void axis_choose(struct axis *axis, enum axis_kind kind, struct range range, int num_ticks,
                 double begin, double end) {
    CHECK(range.low <= range.high && num_ticks >= 1 && num_ticks < AXIS_MAX_TICKS / 2);
    const double least_ratio = 20;
    if (kind == AXIS_LOGARITHMIC && !(range.low > 0 && range.high / range.low >= least_ratio))
        kind = AXIS_LINEAR;
    *axis = (struct axis){.kind = kind, .begin = begin, .end = end};
    if (kind == AXIS_LOGARITHMIC)
        choose_logarithmic(axis, range, num_ticks);
    else
        choose_linear(axis, range, num_ticks);
}

double axis_place(const struct axis *axis, double value) {
    double low = axis->low;
    double high = axis->high;
    if (axis->kind == AXIS_LOGARITHMIC) {
        value = log10(fmax(value, low));
        low = log10(low);
        high = log10(high);
    }
    double share = (value - low) / (high - low);
    return axis->begin + fmin(fmax(share, -1), 2) * (axis->end - axis->begin);
}

// "10⁻⁵"
static void write_power(int exponent, char *text, size_t size) {
    static const char *const digits[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                         "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    char plain[16];
    snprintf(plain, sizeof plain, "%d", exponent);
    size_t used = (size_t)snprintf(text, size, "10");
    for (const char *c = plain; *c && used < size; c++)
        used += (size_t)snprintf(text + used, size - used, "%s",
                                 *c == '-' ? "\u207b" : digits[*c - '0']);
}

// 1,500 steps as 1.5k, where so many are shown that it saves space.
static void write_steps(double steps, bool is_short, char label[AXIS_LABEL_BYTES]) {
    static const struct {
        double unit;
        const char *sign;
    } units[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}};
    int unit = 0;
    while (units[unit].unit > 1 && !(is_short && steps >= units[unit].unit))
        unit++;
    snprintf(label, AXIS_LABEL_BYTES, "%.12g%s", steps / units[unit].unit, units[unit].sign);
}

void axis_label(const struct axis *axis, double tick, char label[AXIS_LABEL_BYTES]) {
    const double many_steps = 1e4;
    if (axis->kind == AXIS_STEPS) {
        write_steps(tick, axis->high >= many_steps, label);
        return;
    }
    int exponent = axis->exponent;
    if (axis->kind == AXIS_LOGARITHMIC) exponent = (int)floor(log10(tick) + 1e-9);
    bool has_power = exponent != 0 && tick != 0;
    // Ticks are multiples of a round number: the seventh digit is noise.
    int used = snprintf(label, AXIS_LABEL_BYTES, "%.6g%s", tick / pow(10, exponent),
                        has_power ? "\u00d7" : "");
    if (has_power && axis->kind == AXIS_LOGARITHMIC && strncmp(label, "1\u00d7", 3) == 0) used = 0;
    if (has_power) write_power(exponent, label + used, (size_t)(AXIS_LABEL_BYTES - used));
}
