// The page: well-formed whatever the names are, complete without images, and with them.
#include "eval/html.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "data/image.h"
#include "tests/eval/loaded_case.h"

// ---- Writing pages ----

static char page_folder[512];

static const char *path_in_page(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", page_folder, name);
    return path;
}

enum { NUM_KINDS = 2 };

// Writes the page of a case, for boxes and maybe masks, compared with itself, under the scratch
// folder. Returns its text, to be freed.
static char *write_page(struct loaded_case *loaded, int num_kinds, const char *name,
                        const char *image_folder) {
    struct metric metrics[NUM_KINDS];
    struct report reports[NUM_KINDS];
    struct comparison comparisons[NUM_KINDS];
    struct report_options options = report_default_options();
    struct html_options html_options = {.image_folder = image_folder, .num_worst = 5};
    struct error err = {0};
    snprintf(page_folder, sizeof page_folder, "%s/%s", scratch_folder(), name);
    for (int i = 0; i < num_kinds; i++) {
        struct metric_settings settings = metric_default_settings(i ? IOU_MASK : IOU_BOX);
        EXPECT_OK(metric_compute(&metrics[i], &loaded->truth, &loaded->results, &settings,
                                 loaded->workers, &err),
                  &err);
        EXPECT_OK(report_compute(&reports[i], &metrics[i], &options, loaded->workers, &err), &err);
        EXPECT_OK(comparison_compute(&comparisons[i], &loaded->truth, &loaded->results,
                                     &loaded->results, &settings, 10, 1, loaded->workers, &err),
                  &err);
        reports[i].comparison = &comparisons[i];
        REQUIRE(err.code == STATUS_OK);
    }
    EXPECT_OK(html_write(page_folder, reports, num_kinds, &html_options, &err), &err);
    for (int i = 0; i < num_kinds; i++) {
        report_destroy(&reports[i]);
        comparison_destroy(&comparisons[i]);
        metric_destroy(&metrics[i]);
    }
    FILE *file = fopen(path_in_page("index.html"), "rb");
    REQUIRE(file != NULL);
    enum { MAX_BYTES = 1 << 22 };
    char *text = malloc(MAX_BYTES);
    REQUIRE(text != NULL);
    text[fread(text, 1, MAX_BYTES - 1, file)] = '\0';
    fclose(file);
    return text;
}

static bool has_file(const char *name) {
    struct stat info;
    return stat(path_in_page(name), &info) == 0;
}

// ---- Is it well-formed? ----

enum { MAX_DEPTH = 64, MAX_NAME = 16 };

static bool is_void_element(const char *name) {
    static const char *const names[] = {"meta", "input", "br", "!doctype"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

// Reads the tag behind '<'; returns what follows its '>', or NULL if it has none.
static const char *read_tag(const char *at, char name[MAX_NAME], bool *is_empty) {
    int length = 0;
    while (*at && !isspace((unsigned char)*at) && *at != '>' && *at != '/' && length + 1 < MAX_NAME)
        name[length++] = *at++;
    name[length] = '\0';
    char quote = '\0';
    for (; *at && (quote || *at != '>'); at++) {
        if (*at == '<') return NULL;
        if (*at == '"') quote = quote ? '\0' : '"';
    }
    if (!*at) return NULL;
    *is_empty = at[-1] == '/' || is_void_element(name);
    return at + 1;
}

// NULL if all tags are closed in order and no '<' or '>' stands elsewhere, else where it goes
// wrong.
static const char *find_malformed(const char *text) {
    char open[MAX_DEPTH][MAX_NAME];
    int depth = 0;
    for (const char *at = text; *at;) {
        if (*at == '>') return at;
        if (*at != '<') {
            at++;
            continue;
        }
        const char *begin = at;
        bool is_end = at[1] == '/';
        char name[MAX_NAME];
        bool is_empty = false;
        at = read_tag(at + 1 + is_end, name, &is_empty);
        if (!at || depth == MAX_DEPTH) return begin;
        if (is_end) {
            if (depth == 0 || strcmp(open[--depth], name) != 0) return begin;
        } else if (!is_empty) {
            memcpy(open[depth++], name, sizeof name);
        }
        // Style and script are not markup.
        if (!is_end && (strcmp(name, "style") == 0 || strcmp(name, "script") == 0)) {
            at = strstr(at, strcmp(name, "style") == 0 ? "</style>" : "</script>");
            if (!at) return begin;
        }
    }
    return depth == 0 ? NULL : text;
}

static void expect_well_formed(const char *text) {
    const char *place = find_malformed(text);
    EXPECT(place == NULL);
    if (place) printf("malformed at: %.200s\n", place);
}

// ---- Cases ----

static void shows_every_part(void) {
    struct loaded_case loaded;
    load_case(&loaded, "breakdown", "plain");
    char *text = write_page(&loaded, NUM_KINDS, "plain", NULL);
    expect_well_formed(text);
    static const char *const parts[] = {"id=\"mask-scores\"",
                                        "id=\"mask-compare\"",
                                        "id=\"box-errors\"",
                                        "id=\"mask-classes\"",
                                        "id=\"mask-confusions\"",
                                        "id=\"mask-labels\"",
                                        "id=\"mask-images\"",
                                        "class=\"curve c3\"",
                                        "aria-label=\"Confusion matrix",
                                        "<g class=\"missed\"><title>missed: ",
                                        "8 images, 26 objects in 4 classes, 51 results"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        EXPECT_CONTAINS(text, parts[i]);
    EXPECT(strstr(text, "http") == NULL); // nothing from a network
    EXPECT(strstr(text, "<image") == NULL);
    EXPECT(strstr(text, "nan") == NULL);
    EXPECT(has_file("images"));
    free(text);
    unload_case(&loaded);
}

// Of these images only the first is one that the page may show.
static const char photo_ann[] =
    "{\"images\":[{\"id\":1,\"width\":3000,\"height\":1500,\"file_name\":\"a/photo.jpg\"},"
    "{\"id\":2,\"width\":40,\"height\":30,\"file_name\":\"../secret.jpg\"},"
    "{\"id\":3,\"width\":40,\"height\":30,\"file_name\":\"note.txt\"},"
    "{\"id\":4,\"width\":40,\"height\":30,\"file_name\":\"missing.jpg\"}],"
    "\"categories\":[{\"id\":1,\"name\":\"cat\"}],\"annotations\":["
    "{\"id\":1,\"image_id\":1,\"category_id\":1,\"area\":1,\"bbox\":[5,5,1500,900],"
    "\"segmentation\":[[5,5,5,905,1505,905,1505,5]]}]}";
static const char photo_results[] =
    "[{\"image_id\":1,\"category_id\":1,\"score\":0.7,\"bbox\":[2000,5,90,90]},"
    "{\"image_id\":2,\"category_id\":1,\"score\":0.9,\"bbox\":[2,5,9,9]},"
    "{\"image_id\":3,\"category_id\":1,\"score\":0.9,\"bbox\":[2,5,9,9]},"
    "{\"image_id\":4,\"category_id\":1,\"score\":0.9,\"bbox\":[2,5,9,9]}]";

static void save_photo(const char *path, struct arena *arena) {
    struct image image = {3000, 1500, arena_alloc_zero(arena, 3000 * 1500, 3)};
    struct output out;
    EXPECT_OK(output_open_file(&out, path, NULL), NULL);
    EXPECT_OK(image_write_jpeg(&image, 50, &out, NULL), NULL);
    EXPECT_OK(output_commit(&out, NULL), NULL);
}

static void shows_photographs_that_can_be_read(void) {
    struct arena arena;
    arena_init(&arena, 1 << 16, 0);
    char folder[512];
    char path[600];
    snprintf(folder, sizeof folder, "%s/photos", scratch_folder());
    EXPECT_INT(mkdir(folder, 0777), 0);
    snprintf(path, sizeof path, "%s/a", folder);
    EXPECT_INT(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/a/photo.jpg", folder);
    save_photo(path, &arena);
    snprintf(path, sizeof path, "%s/secret.jpg", scratch_folder());
    save_photo(path, &arena);
    snprintf(path, sizeof path, "%s/note.txt", folder);
    EXPECT_OK(output_save(path, "no image", 8, NULL), NULL);

    struct loaded_case loaded;
    parse_case(&loaded, photo_ann, photo_results);
    char *text = write_page(&loaded, NUM_KINDS, "photos-page", folder);
    expect_well_formed(text);
    EXPECT_CONTAINS(text, "<image href=\"images/1.jpg\" width=\"3000\" height=\"1500\"");
    EXPECT(has_file("images/1.jpg"));
    EXPECT(!has_file("images/2.jpg"));
    EXPECT(!has_file("images/3.jpg"));
    EXPECT(!has_file("images/4.jpg"));
    EXPECT(strstr(text, "images/2.jpg") == NULL);
    EXPECT_CONTAINS(text, "../secret.jpg"); // its name is shown all the same
    struct image image;
    struct image_limits limits = image_limits_default();
    EXPECT_OK(image_load(&image, NULL, path_in_page("images/1.jpg"), &limits, true, &arena, NULL),
              NULL);
    EXPECT_INT(image.width, 1024);
    EXPECT_INT(image.height, 512);
    free(text);
    unload_case(&loaded);
    arena_destroy(&arena);
}

// Boxes need no size of the image: the canvas then is as large as what lies on it.
static void draws_boxes_on_images_without_size(void) {
    struct loaded_case loaded;
    parse_case(&loaded, "{\"images\":[{\"id\":1}],\"annotations\":[],\"categories\":[{\"id\":1}]}",
               "[{\"image_id\":1,\"category_id\":1,\"score\":0.9,\"bbox\":[5,5,15,9]}]");
    char *text = write_page(&loaded, 1, "boxes", NULL);
    expect_well_formed(text);
    EXPECT_CONTAINS(text, "viewBox=\"0 0 20 14\"");
    EXPECT_CONTAINS(text, "class 1 found, nothing annotated there");
    EXPECT(strstr(text, "id=\"mask-") == NULL);
    free(text);
    unload_case(&loaded);
}

// Names that would be markup, script, or malformed UTF-8.
static void escapes_hostile_names(void) {
    static const char ann[] =
        "{\"images\":[{\"id\":1,\"width\":40,\"height\":30,"
        "\"file_name\":\"\\\"><script>alert(1)</script>.jpg\"}],"
        "\"categories\":[{\"id\":1,\"name\":\"</script><img src=x onerror='alert(2)'>\"},"
        "{\"id\":2,\"name\":\"a\\u0007&\\\"b\"}],\"annotations\":["
        "{\"id\":1,\"image_id\":1,\"category_id\":1,\"area\":1,\"bbox\":[5,5,15,9],"
        "\"segmentation\":[[5,5,5,14,20,14,20,5]]}]}";
    static const char results[] =
        "[{\"image_id\":1,\"category_id\":2,\"score\":0.9,\"bbox\":[5,5,15,9]},"
        "{\"image_id\":1,\"category_id\":1,\"score\":0.9,\"bbox\":[25,5,5,9]}]";
    struct loaded_case loaded;
    parse_case(&loaded, ann, results);
    loaded.results.path = "<b>\xff.json";
    char *text = write_page(&loaded, NUM_KINDS, "hostile", NULL);
    expect_well_formed(text);
    EXPECT(strstr(text, "<script>alert") == NULL);
    EXPECT(strstr(text, "<img") == NULL);
    EXPECT(strstr(text, "onerror='") == NULL);
    EXPECT_CONTAINS(text, "&lt;/script&gt;&lt;img src=x onerror=&#39;alert(2)&#39;&gt;");
    EXPECT_CONTAINS(text, "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;.jpg");
    EXPECT_CONTAINS(text, "a\xef\xbf\xbd&amp;&quot;b");
    EXPECT_CONTAINS(text, "&lt;b&gt;\xef\xbf\xbd.json");
    free(text);
    unload_case(&loaded);
}

static void works_on_nothing(void) {
    static const char one_image[] = "{\"images\":[{\"id\":1,\"width\":9,\"height\":9}],"
                                    "\"annotations\":[],\"categories\":[{\"id\":1}]}";
    static const char one_object[] =
        "{\"images\":[{\"id\":1,\"width\":9,\"height\":9}],\"categories\":[{\"id\":1}],"
        "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":1,\"area\":9,"
        "\"bbox\":[1,1,3,3],\"segmentation\":[[1,1,1,4,4,4,4,1]]}]}";
    static const char *const anns[] = {EMPTY_ANNOTATIONS, one_image, one_object};
    for (size_t i = 0; i < sizeof anns / sizeof *anns; i++) {
        struct loaded_case loaded;
        parse_case(&loaded, anns[i], EMPTY_RESULTS);
        char *text = write_page(&loaded, NUM_KINDS, "nothing", "/nonexistent");
        expect_well_formed(text);
        EXPECT(strstr(text, "nan") == NULL);
        EXPECT(strstr(text, "inf") == NULL);
        free(text);
        unload_case(&loaded);
    }
}

static void says_where_it_cannot_write(void) {
    struct loaded_case loaded;
    parse_case(&loaded, EMPTY_ANNOTATIONS, EMPTY_RESULTS);
    struct metric metric;
    struct report report;
    struct error err = {0};
    struct metric_settings settings = metric_default_settings(IOU_BOX);
    struct report_options options = report_default_options();
    struct html_options html_options = {.num_worst = 5};
    EXPECT_OK(
        metric_compute(&metric, &loaded.truth, &loaded.results, &settings, loaded.workers, &err),
        &err);
    EXPECT_OK(report_compute(&report, &metric, &options, loaded.workers, &err), &err);
    EXPECT_STATUS(html_write("/nonexistent/page", &report, 1, &html_options, &err),
                  STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "/nonexistent/page: cannot make the folder: No such file");
    char path[512];
    snprintf(path, sizeof path, "%s/file", scratch_folder());
    EXPECT_OK(output_save(path, "x", 1, NULL), NULL);
    EXPECT_STATUS(html_write(path, &report, 1, &html_options, &err), STATUS_CANNOT_WRITE, &err);
    EXPECT_CONTAINS(err.message, "/file/images: cannot make the folder: Not a directory");
    report_destroy(&report);
    metric_destroy(&metric);
    unload_case(&loaded);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"shows_every_part", shows_every_part},
                         {"shows_photographs_that_can_be_read", shows_photographs_that_can_be_read},
                         {"draws_boxes_on_images_without_size", draws_boxes_on_images_without_size},
                         {"escapes_hostile_names", escapes_hostile_names},
                         {"works_on_nothing", works_on_nothing},
                         {"says_where_it_cannot_write", says_where_it_cannot_write},
                         {0},
                     });
}
