// gctmask plot as a user meets it: what it draws where, and that it draws whatever was recorded.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"
#include "tests/program.h"
#include "tests/tools/check_svg.h"

enum { MAX_POINTS = 20000, MAX_TEXTS = 256 };
static struct path_point points[MAX_POINTS];
static const double PIXEL = 0.11; // coordinates have one digit behind the point

static bool is_there(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    return access(path, R_OK) == 0;
}

// ---- Runs, written by hand ----

static FILE *new_run(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    REQUIRE(mkdir(path, 0777) == 0);
    snprintf(path, sizeof path, "%s/%s/metrics.jsonl", scratch_folder(), name);
    FILE *file = fopen(path, "w");
    REQUIRE(file);
    return file;
}

static void write_number(FILE *file, const char *key, double value) {
    if (isnan(value))
        fprintf(file, ",\"%s\":null", key);
    else
        fprintf(file, ",\"%s\":%.17g", key, value);
}

// All losses are shares of the same.
static void write_train(FILE *file, long long step, double loss, double rate) {
    fprintf(file, "{\"v\":1,\"kind\":\"train\",\"step\":%lld", step);
    write_number(file, "loss", loss);
    write_number(file, "rpn_class", loss / 8);
    write_number(file, "rpn_box", loss / 8);
    write_number(file, "class", loss / 4);
    write_number(file, "box", loss / 4);
    write_number(file, "mask", loss / 4);
    write_number(file, "gradient_norm", loss / 2);
    write_number(file, "learning_rate", rate);
    fprintf(file, "}\n");
}

static void write_eval(FILE *file, long long step, double box, double mask, double loss) {
    fprintf(file, "{\"v\":1,\"kind\":\"eval\",\"step\":%lld", step);
    write_number(file, "box_ap", box);
    write_number(file, "box_ap50", 1.5 * box);
    write_number(file, "box_ap75", box);
    write_number(file, "mask_ap", mask);
    write_number(file, "mask_ap50", 1.5 * mask);
    write_number(file, "mask_ap75", mask);
    write_number(file, "loss", loss);
    fprintf(file, "}\n");
}

// A number from 0 to 1 that follows from i.
static double noise(int64_t i) {
    uint64_t x = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    return (double)(x >> 40) / (1 << 24);
}

// ---- Where things are ----

// Few lines are drawn as they are.
static void places(void) {
    static const double losses[] = {3, 2.5, 2.25, 1.1, 0.8, 0.85};
    enum { COUNT = 6 };
    FILE *file = new_run("places");
    for (int i = 0; i < COUNT; i++)
        write_train(file, 20 * (i + 1), losses[i], i < 4 ? 0.02 : 0.0002);
    write_eval(file, 60, 0.25, (double)NAN, 1.5);
    write_eval(file, 120, 0.3125, (double)NAN, 1.25);
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/places"), 0);
    EXPECT_CONTAINS(program_output, "/places/plots/index.html\n");
    EXPECT_TEXT(program_errors, "");
    char *svg = load_text("places/plots/loss.svg");
    struct read_axis x = read_x_axis(svg);
    struct read_axis y = read_y_axis(svg, false);
    EXPECT_NEAR(x.low, 0, 0);
    EXPECT_NEAR(x.high, 120, 0);
    EXPECT_NEAR(y.low, 0, 0);
    EXPECT_NEAR(y.high, 3, 0);
    static const char *const numbers[] = {"0", "0.5", "1", "1.5", "2", "2.5", "3"};
    struct placed_text texts[MAX_TEXTS];
    EXPECT_INT(find_texts(svg, "number end", texts, MAX_TEXTS), 7);
    for (int i = 0; i < 7; i++)
        EXPECT_TEXT(texts[i].text, numbers[i]);
    EXPECT_INT(find_path(svg, "points", 0, points, MAX_POINTS), -1);
    EXPECT_INT(find_path(svg, "line c0 d0", 0, points, MAX_POINTS), COUNT);
    for (int i = 0; i < COUNT; i++) {
        EXPECT_INT(points[i].command, i ? 'L' : 'M');
        EXPECT_NEAR(points[i].x, place_on(&x, 20 * (i + 1)), PIXEL);
        EXPECT_NEAR(points[i].y, place_on(&y, losses[i]), PIXEL);
    }
    EXPECT(strstr(svg, "class=\"key\"") == NULL); // one run needs no legend
    free(svg);
}

// The learning rate spans decades: its axis is logarithmic, with powers of ten at its numbers.
static void logarithms(void) {
    static const double rates[] = {2e-5, 0.02, 0.02, 0.002, 0.0002};
    FILE *file = new_run("logarithms");
    for (int i = 0; i < 5; i++)
        write_train(file, i + 1, 1, rates[i]);
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/logarithms"), 0);
    char *svg = load_text("logarithms/plots/learning_rate.svg");
    EXPECT_CONTAINS(svg, ">10⁻²</text>");
    struct read_axis y = read_y_axis(svg, true);
    EXPECT_INT(find_path(svg, "line c0 d0", 0, points, MAX_POINTS), 5);
    for (int i = 0; i < 5; i++)
        EXPECT_NEAR(points[i].y, place_on(&y, rates[i]), PIXEL);
    free(svg);
    file = new_run("few_decades");
    for (int i = 0; i < 5; i++)
        write_train(file, i + 1, 1, rates[i] < 1e-3 ? 2e-4 : rates[i]);
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/few_decades"), 0);
    svg = load_text("few_decades/plots/learning_rate.svg");
    EXPECT_CONTAINS(svg, ">2×10⁻²</text>");
    EXPECT_CONTAINS(svg, ">10⁻³</text>");
    y = read_y_axis(svg, true);
    EXPECT_INT(find_path(svg, "line c0 d0", 0, points, MAX_POINTS), 5);
    EXPECT_NEAR(points[0].y, place_on(&y, 2e-4), PIXEL);
    EXPECT_NEAR(points[3].y, place_on(&y, 2e-3), PIXEL);
    free(svg);
}

// The line through many values is their mean weighted by exp(-distance / width).
static void smoothing(void) {
    enum { COUNT = 300, EVERY = 10 };
    static double losses[COUNT];
    const double width = 0.02 * EVERY * (COUNT - 1);
    FILE *file = new_run("smoothing");
    for (int i = 0; i < COUNT; i++)
        write_train(file, EVERY * (i + 1), losses[i] = 1 + noise(i) + (i < COUNT / 2), 0.02);
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/smoothing --smooth 0.02"), 0);
    char *svg = load_text("smoothing/plots/loss.svg");
    EXPECT_CONTAINS(svg, "mean over about 120 steps");
    struct read_axis y = read_y_axis(svg, false);
    EXPECT_INT(find_path(svg, "points c0 d0", 0, points, MAX_POINTS), 2 * COUNT);
    for (int i = 0; i < COUNT; i++)
        EXPECT_NEAR(points[2 * i].y, place_on(&y, losses[i]), PIXEL);
    EXPECT_INT(find_path(svg, "line c0 d0", 0, points, MAX_POINTS), COUNT);
    for (int i = 0; i < COUNT; i++) {
        double sum = 0;
        double weight = 0;
        for (int k = 0; k < COUNT; k++) {
            double w = exp(-fabs((double)EVERY * (i - k)) / width);
            sum += w * losses[k];
            weight += w;
        }
        EXPECT_NEAR(points[i].y, place_on(&y, sum / weight), PIXEL);
    }
    free(svg);
}

// A path of many values is short, and reaches as high and low as they do, where they do.
static void many_values(void) {
    enum { COUNT = 200000, HIGH = 60000, LOW = 140000 };
    FILE *file = new_run("many");
    for (int i = 1; i <= COUNT; i++)
        write_train(file, i, i == HIGH ? 2.5 : i == LOW ? 0.5 : 1 + noise(i), 0.02);
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/many --smooth 0"), 0);
    char *svg = load_text("many/plots/loss.svg");
    EXPECT(strlen(svg) < 100000);
    struct read_axis x = read_x_axis(svg);
    struct read_axis y = read_y_axis(svg, false);
    int count = find_path(svg, "line c0 d0", 0, points, MAX_POINTS);
    EXPECT(count > 2000 && count < 6000);
    int highest = 0;
    int lowest = 0;
    for (int i = 0; i < count; i++) {
        if (points[i].y < points[highest].y) highest = i;
        if (points[i].y > points[lowest].y) lowest = i;
        if (i) EXPECT(points[i].x >= points[i - 1].x);
    }
    EXPECT_NEAR(points[highest].x, place_on(&x, HIGH), PIXEL);
    EXPECT_NEAR(points[highest].y, place_on(&y, 2.5), PIXEL);
    EXPECT_NEAR(points[lowest].x, place_on(&x, LOW), PIXEL);
    EXPECT_NEAR(points[lowest].y, place_on(&y, 0.5), PIXEL);
    EXPECT_NEAR(points[0].x, place_on(&x, 1), PIXEL);
    EXPECT_NEAR(points[count - 1].x, place_on(&x, COUNT), PIXEL);
    EXPECT_NEAR(points[count - 1].y, place_on(&y, 1 + noise(COUNT)), PIXEL);
    free(svg);
}

static void evaluations(void) {
    FILE *file = new_run("evaluated");
    for (int i = 1; i <= 4; i++) {
        write_train(file, 100 * i, 2.0 / i, 0.02);
        write_eval(file, 100 * i, i == 3 ? 0.4 : 0.1 * i, i == 1 ? (double)NAN : 0.05 * i,
                   1 + 0.1 * i);
    }
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/evaluated"), 0);
    char *svg = load_text("evaluated/plots/ap.svg");
    struct placed_text texts[MAX_TEXTS];
    EXPECT_INT(find_texts(svg, "panel", texts, MAX_TEXTS), 4);
    EXPECT_TEXT(texts[0].text, "box AP");
    EXPECT_TEXT(texts[1].text, "mask AP");
    EXPECT_TEXT(texts[3].text, "mask AP50");
    EXPECT_INT(find_texts(svg, "best mid", texts, MAX_TEXTS), 2);
    EXPECT_TEXT(texts[0].text, "40.0"); // the first of the best ones
    EXPECT_TEXT(texts[1].text, "60.0");
    EXPECT_CONTAINS(svg, "<title>step 300: 40</title>");
    EXPECT_INT(find_path(svg, "line c0 d0", 1, points, MAX_POINTS), 3); // mask AP without one
    EXPECT_CONTAINS(svg, ">1 missing</text>");
    free(svg);
    svg = load_text("evaluated/plots/validation_loss.svg");
    struct read_axis x = read_x_axis(svg);
    struct read_axis y = read_y_axis(svg, false);
    EXPECT_INT(find_path(svg, "line c0 d0", 0, points, MAX_POINTS), 4);
    EXPECT_NEAR(points[1].x, place_on(&x, 200), PIXEL);
    EXPECT_NEAR(points[1].y, place_on(&y, 1.2), PIXEL);
    EXPECT_INT(find_path(svg, "faint c0 d0", 0, points, MAX_POINTS), 4);
    EXPECT_NEAR(points[1].y, place_on(&y, 1), PIXEL);
    EXPECT_INT(find_texts(svg, "key", texts, MAX_TEXTS), 2);
    EXPECT_TEXT(texts[0].text, "training");
    EXPECT_TEXT(texts[1].text, "validation");
    free(svg);
}

// ---- What cannot be drawn ----

static void gaps_and_spikes(void) {
    enum { COUNT = 300 };
    FILE *file = new_run("gaps");
    for (int i = 1; i <= COUNT; i++)
        write_train(file, i,
                    i == 100              ? 1e6
                    : i >= 200 && i < 250 ? (double)NAN
                                          : 1 + noise(i),
                    0.02);
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/gaps"), 0);
    char *svg = load_text("gaps/plots/loss.svg");
    EXPECT(find_malformed(svg) == NULL);
    EXPECT_CONTAINS(svg, ">▲ 1 up to 1e+06, 50 missing</text>");
    struct read_axis x = read_x_axis(svg);
    struct read_axis y = read_y_axis(svg, false);
    EXPECT_NEAR(y.high, 2, 0);
    int count = find_path(svg, "line c0 d0", 0, points, MAX_POINTS);
    EXPECT_INT(count, COUNT - 50);
    for (int i = 0; i < count; i++) {
        EXPECT_INT(points[i].command, i == 0 || i == 199 ? 'M' : 'L');
        EXPECT_NEAR(points[i].x, place_on(&x, i < 199 ? i + 1 : i + 51), PIXEL);
        EXPECT(points[i].y > y.high_place); // the spike does not carry the mean away
    }
    free(svg);
}

// Whatever is recorded makes pictures of finite numbers.
static void odd_values(void) {
    static const double values[] = {0,       -1,   1,      1e-300,  1e-320,
                                    -1e-7,   1e7,  1e299,  1.7e308, -1.7e308,
                                    1.00001, 5e-5, 123456, 0.1,     99999.5};
    enum { COUNT = sizeof values / sizeof *values };
    for (int a = 0; a < COUNT; a++)
        for (int b = a; b < COUNT; b += 1 + 2 * (b - a)) {
            char name[32];
            char line[128];
            snprintf(name, sizeof name, "odd_%d_%d", a, b);
            FILE *file = new_run(name);
            write_train(file, 1, values[a], values[a]);
            if (b > a) write_train(file, 7 + a * b, values[b], values[b]);
            write_train(file, 9 + a * b * b, values[b], values[a]);
            fclose(file);
            snprintf(line, sizeof line, "gctmask plot $SCRATCH/%s --quiet", name);
            EXPECT_INT(run_program(line), 0);
            static const char *const charts[] = {"loss", "losses", "learning_rate"};
            for (int i = 0; i < 3; i++) {
                snprintf(line, sizeof line, "%s/plots/%s.svg", name, charts[i]);
                if (!is_there(line)) continue; // of gaps only
                char *svg = load_text(line);
                EXPECT(find_malformed(svg) == NULL);
                EXPECT(!strstr(svg, "nan") && !strstr(svg, "inf"));
                EXPECT(!strstr(svg, "\"-0\"") && !strstr(svg, ">-0<"));
                free(svg);
            }
        }
}

static void single_values(void) {
    FILE *file = new_run("single");
    write_train(file, 5, 0.8, 2e-5);
    write_eval(file, 5, 0.4, 0.3, 0.9);
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/single"), 0);
    char *svg = load_text("single/plots/learning_rate.svg");
    struct read_axis x = read_x_axis(svg);
    struct read_axis y = read_y_axis(svg, false);
    static const char circle[] = "<circle class=\"marker c0\" ";
    const char *found = strstr(svg, circle);
    REQUIRE(found);
    double at_x = 0;
    double at_y = 0;
    EXPECT_INT(sscanf(found + strlen(circle), "cx=\"%lf\" cy=\"%lf\"", &at_x, &at_y), 2);
    EXPECT_NEAR(at_x, place_on(&x, 5), PIXEL);
    EXPECT_NEAR(at_y, place_on(&y, 2e-5), PIXEL);
    EXPECT_CONTAINS(svg, "×10⁻⁵</text>");
    free(svg);
    EXPECT(is_there("single/plots/ap.svg") && is_there("single/plots/validation_loss.svg"));
}

// ---- Numbers at axes ----

// Wide fonts take 0.6 of their size for a character.
static double width_of(const char *text) {
    double count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return 0.6 * 12 * count;
}

static void expect_apart(const char *svg) {
    struct placed_text texts[MAX_TEXTS];
    int count = find_texts(svg, "number mid", texts, MAX_TEXTS);
    for (int i = 1; i < count; i++)
        if (texts[i].y == texts[i - 1].y && texts[i].x > texts[i - 1].x)
            EXPECT(texts[i].x - texts[i - 1].x >
                   (width_of(texts[i].text) + width_of(texts[i - 1].text)) / 2);
    count = find_texts(svg, "number end", texts, MAX_TEXTS);
    for (int i = 0; i < count; i++) {
        EXPECT(texts[i].x - width_of(texts[i].text) >= 0);
        if (i && texts[i].x == texts[i - 1].x && texts[i].y < texts[i - 1].y)
            EXPECT(texts[i - 1].y - texts[i].y >= 14);
    }
}

static void numbers_do_not_overlap(void) {
    static const long long steps[] = {1, 2, 7, 99, 1234, 9999, 10000, 65432, 999999, 12345678};
    for (int i = 0; i < 10; i++)
        for (int magnitude = -9; magnitude <= 9; magnitude += 6) {
            char name[32];
            char line[128];
            snprintf(name, sizeof name, "numbers_%d_%d", i, magnitude);
            FILE *file = new_run(name);
            double size = pow(10, magnitude) * (1 + noise(i));
            write_train(file, 1, size, size);
            write_train(file, steps[i] + 1, size * 1.0003, size / 37);
            fclose(file);
            snprintf(line, sizeof line, "gctmask plot $SCRATCH/%s --quiet", name);
            EXPECT_INT(run_program(line), 0);
            static const char *const charts[] = {"loss", "losses", "learning_rate"};
            for (int k = 0; k < 3; k++) {
                snprintf(line, sizeof line, "%s/plots/%s.svg", name, charts[k]);
                char *svg = load_text(line);
                expect_apart(svg);
                free(svg);
            }
        }
}

// ---- Several runs ----

static void write_simple(const char *name, double loss) {
    FILE *file = new_run(name);
    write_train(file, 10, loss, 0.02);
    write_train(file, 20, loss / 2, 0.02);
    fclose(file);
}

static void several_runs(void) {
    EXPECT_INT(run_program("mkdir -p $SCRATCH/one $SCRATCH/two"), 0);
    write_simple("<a> & \"b\"", 1);
    write_simple("one/same", 2);
    write_simple("two/same", 3);
    EXPECT_INT(run_program("cd $SCRATCH; gctmask plot '<a> & \"b\"/' one/same two/same --out all; "
                           "cd one; gctmask plot same ../two/same"),
               0);
    EXPECT_CONTAINS(program_output, "all/index.html\nplots/index.html\n");
    EXPECT(is_there("one/plots/loss.svg"));
    EXPECT_CONTAINS(program_errors, "no chart of ap, validation_loss: nothing is recorded of it\n");
    EXPECT(!is_there("all/ap.svg") && !is_there("all/validation_loss.svg"));
    char *svg = load_text("all/loss.svg");
    EXPECT(find_malformed(svg) == NULL);
    struct placed_text texts[MAX_TEXTS];
    EXPECT_INT(find_texts(svg, "key", texts, MAX_TEXTS), 3);
    EXPECT_TEXT(texts[0].text, "&lt;a&gt; &amp; &quot;b&quot;");
    EXPECT_TEXT(texts[1].text, "one/same");
    EXPECT_TEXT(texts[2].text, "two/same");
    struct read_axis y = read_y_axis(svg, false);
    static const char *const classes[] = {"line c0 d0", "line c1 d0", "line c2 d0"};
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(find_path(svg, classes[i], 0, points, MAX_POINTS), 2);
        EXPECT_NEAR(points[0].y, place_on(&y, i + 1), PIXEL);
    }
    free(svg);
    char *page = load_text("all/index.html");
    EXPECT_CONTAINS(page, "<bdi>&lt;a&gt; &amp; &quot;b&quot;</bdi>");
    EXPECT(strstr(page, "src=") == NULL && strstr(page, "<link") == NULL); // needs no other file
    static const char *const titles[] = {"Loss", "Losses", "Learning rate", "Gradient norm"};
    for (int i = 0; i < 4; i++) {
        char label[64];
        snprintf(label, sizeof label, "role=\"img\" aria-label=\"%s\">", titles[i]);
        EXPECT_CONTAINS(page, label);
    }
    free(page);
}

// As many as there are colours and dashes; names of any length stay within the picture.
static void most_runs(void) {
    enum { MAX_RUNS = 21 };
    char name[64];
    for (int i = 0; i < MAX_RUNS; i++) {
        snprintf(name, sizeof name, "run_%02d_%.*s", i, 2 * i,
                 "a_name_as_long_as_people_make_them_"
                 "in_sweeps");
        write_simple(name, 1 + i);
    }
    EXPECT_INT(run_program("cd $SCRATCH; gctmask plot run_* --out most"), 0);
    char *svg = load_text("most/loss.svg");
    EXPECT(find_malformed(svg) == NULL);
    struct placed_text texts[MAX_TEXTS];
    EXPECT_INT(find_texts(svg, "key", texts, MAX_TEXTS), MAX_RUNS);
    for (int i = 0; i < MAX_RUNS; i++) {
        EXPECT(texts[i].x + width_of(texts[i].text) < 700);
        if (i && texts[i].y == texts[i - 1].y)
            EXPECT(texts[i].x > texts[i - 1].x + width_of(texts[i - 1].text) + 24);
    }
    EXPECT_INT(find_path(svg, "line c6 d2", 0, points, MAX_POINTS), 2);
    free(svg);
    EXPECT_INT(run_program("cd $SCRATCH; gctmask plot run_* run_00_ --out most"), 64);
    EXPECT_CONTAINS(program_errors, "is one operand too many");
}

// ---- What goes wrong ----

static void failures(void) {
    write_simple("fine", 1);
    FILE *file = new_run("empty");
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/empty"), 3);
    EXPECT_CONTAINS(program_errors, "empty/metrics.jsonl: nothing is recorded yet");
    EXPECT(!is_there("empty/plots"));
    EXPECT_INT(run_program("gctmask plot $SCRATCH/fine $SCRATCH/empty --out $SCRATCH/both"), 0);
    EXPECT_CONTAINS(program_errors, "nothing is recorded yet");
    EXPECT_INT(run_program("gctmask plot $SCRATCH/nowhere"), 66);
    EXPECT_CONTAINS(program_errors, "nowhere/metrics.jsonl: ");
    file = new_run("wrong");
    fprintf(file, "{\"v\":1,\"kind\":\"train\",\"step\":oops}\n");
    fclose(file);
    EXPECT_INT(run_program("gctmask plot $SCRATCH/wrong"), 65);
    EXPECT_CONTAINS(program_errors, "wrong/metrics.jsonl: line 1, column ");
    EXPECT_INT(run_program("touch $SCRATCH/file; gctmask plot $SCRATCH/fine --out $SCRATCH/file"),
               73);
    EXPECT_INT(run_program("gctmask plot"), 64);
    EXPECT_CONTAINS(program_errors, "RUN... is missing");
    EXPECT_INT(run_program("gctmask plot $SCRATCH/fine --smooth 1.5"), 64);
    EXPECT_CONTAINS(program_errors, "--smooth");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){{"places", places},
                                          {"logarithms", logarithms},
                                          {"smoothing", smoothing},
                                          {"many_values", many_values},
                                          {"evaluations", evaluations},
                                          {"gaps_and_spikes", gaps_and_spikes},
                                          {"odd_values", odd_values},
                                          {"single_values", single_values},
                                          {"numbers_do_not_overlap", numbers_do_not_overlap},
                                          {"several_runs", several_runs},
                                          {"most_runs", most_runs},
                                          {"failures", failures},
                                          {0}});
}
