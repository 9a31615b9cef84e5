#include "base/config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/check.h"
#include "base/file_view.h"
#include "base/json_reader.h"

enum { NAME_BYTES = 256 };      // of a dotted name; far longer than any option's
enum { MAX_NUMBER_BYTES = 63 }; // some versions of cJSON refuse longer ones without a reason

// ---- The document ----
//
// cJSON builds a tree before anybody can look at it and takes more than JSON, so json_reader goes
// first: it bounds the tree and refuses what is not JSON with line and column.

struct key {
    const char *text;
    struct key *next;
};

struct level {
    bool is_object;
    struct key *keys; // of the object, last first
};

struct scan {
    struct json_reader reader;
    struct arena arena;
    struct level levels[CONFIG_MAX_DEPTH]; // the open containers
    int depth;
};

static void scan_key(struct scan *scan, struct json_string string, struct level *level) {
    struct json_reader *r = &scan->reader;
    char *text = arena_alloc(&scan->arena, string.size + 1, 1);
    struct key *key = arena_alloc(&scan->arena, 1, sizeof *key);
    if (!text || !key) {
        r->status = error_memory(r->err, "the keys of a configuration", string.size);
        return;
    }
    int64_t size = json_string_unescape(&string, text);
    text[size] = '\0';
    for (const struct key *other = level->keys; other; other = other->next)
        if (strcmp(other->text, text) == 0) json_fail(r, "duplicate key \"%.64s\"", text);
    // The dot is the separator of our names: with it, one option would have several spellings.
    bool usable = size > 0 && (int64_t)strcspn(text, ".") == size;
    if (!usable) json_fail(r, "\"%.64s\" cannot be a key: a group is an object", text);
    *key = (struct key){text, level->keys};
    level->keys = key;
}

static void enter(struct scan *scan, bool is_object) {
    struct json_reader *r = &scan->reader;
    if (scan->depth == CONFIG_MAX_DEPTH) {
        json_fail(r, "more than %d levels deep", CONFIG_MAX_DEPTH);
        return;
    }
    if (is_object)
        json_begin_object(r);
    else
        json_begin_array(r);
    scan->levels[scan->depth++] = (struct level){.is_object = is_object};
}

static void scan_number(struct json_reader *r) {
    const char *begin = r->at;
    (void)json_double(r);
    if (r->at - begin > MAX_NUMBER_BYTES)
        json_fail(r, "a number of more than %d characters", MAX_NUMBER_BYTES);
}

// One value, or the start of an object or a list.
static void scan_value(struct scan *scan) {
    struct json_reader *r = &scan->reader;
    switch (json_peek(r)) {
    case JSON_OBJECT:
        enter(scan, true);
        break;
    case JSON_ARRAY:
        enter(scan, false);
        break;
    case JSON_STRING:
        // A NUL would silently cut the string in the tree.
        (void)json_text(r, &scan->arena);
        break;
    case JSON_NUMBER:
        scan_number(r);
        break;
    case JSON_NOTHING:
    case JSON_NULL:
    case JSON_BOOL:
        json_skip(r);
        break;
    }
}

// Whether another value follows in the innermost container; leaves those that end here.
static bool next_value(struct scan *scan) {
    struct json_string key;
    for (; scan->depth > 0; scan->depth--) {
        struct level *level = &scan->levels[scan->depth - 1];
        if (!level->is_object && json_next_element(&scan->reader)) return true;
        if (level->is_object && json_next_key(&scan->reader, &key)) {
            scan_key(scan, key, level);
            return true;
        }
    }
    return false;
}

static void scan_document(struct scan *scan) {
    struct json_reader *r = &scan->reader;
    if (json_peek(r) != JSON_OBJECT) json_fail(r, "a configuration must be an object");
    int64_t num_values = 0;
    do {
        scan_value(scan);
        if (++num_values > CONFIG_MAX_VALUES)
            json_fail(r, "more than %d values", CONFIG_MAX_VALUES);
    } while (next_value(scan));
    json_end(r);
}

static enum status parse(cJSON **root, const char *text, int64_t size, const char *name,
                         struct error *err) {
    if (size > CONFIG_MAX_BYTES)
        return error_set(err, STATUS_DATA, "%s: more than %d bytes", name, CONFIG_MAX_BYTES);
    struct scan scan = {0};
    arena_init(&scan.arena, 1 << 14, 0);
    json_reader_init(&scan.reader, text, size, name, err);
    scan_document(&scan);
    arena_destroy(&scan.arena);
    TRY(json_status(&scan.reader));
    *root = cJSON_ParseWithLength(text, (size_t)size);
    if (*root) return STATUS_OK;
    return error_memory(err, "the tree of a configuration", size); // all else was checked
}

// ---- From the document to the options ----

static bool is_group(const struct options *options, const char *name) {
    size_t size = strlen(name);
    for (int64_t i = 0; i < options->count; i++) {
        const char *option = options->rows[i].name;
        if (strncmp(option, name, size) == 0 && option[size] == '.') return true;
    }
    return false;
}

// A group that is being read.
struct group {
    const cJSON *next; // item that is not read yet
    int name_size;     // of the group's dotted name, the dot at its end included
};

static enum status apply_items(struct options *options, const cJSON *root, const char *file,
                               struct error *err) {
    CHECK(root);
    const struct option_origin origin = {OPTION_FROM_FILE, file};
    struct group groups[CONFIG_MAX_DEPTH + 1] = {{root->child, 0}};
    char name[NAME_BYTES];
    for (int depth = 1; depth > 0;) {
        struct group *group = &groups[depth - 1];
        const cJSON *item = group->next;
        if (!item) {
            depth--;
            continue;
        }
        group->next = item->next;
        if (depth == 1 && strcmp(item->string, "base") == 0) continue;
        int room = NAME_BYTES - group->name_size;
        int size = snprintf(name + group->name_size, (size_t)room, "%s", item->string);
        if (size >= room - 1) return error_set(err, STATUS_DATA, "%.64s...: no such option", name);
        if (!is_group(options, name)) {
            TRY(options_set_json(options, name, item, origin, err));
            continue;
        }
        if (!cJSON_IsObject(item))
            return error_set(err, STATUS_DATA, "%s: a group of options must be an object", name);
        size += group->name_size;
        memcpy(name + size, ".", 2);
        CHECK(depth <= CONFIG_MAX_DEPTH);
        groups[depth++] = (struct group){item->child, size + 1};
    }
    return STATUS_OK;
}

static enum status apply(struct options *options, const cJSON *root, const char *file,
                         struct error *err) {
    enum status status = apply_items(options, root, file, err);
    if (status != STATUS_OK) error_prefix(err, "%s: ", file);
    return status;
}

enum status config_read(struct options *options, const char *text, int64_t size, const char *name,
                        struct error *err) {
    cJSON *root = NULL;
    TRY(parse(&root, text, size, name, err));
    enum status status = STATUS_OK;
    if (cJSON_GetObjectItemCaseSensitive(root, "base"))
        status = error_set(err, STATUS_DATA, "%s: base: only a file can have one", name);
    else
        status = apply(options, root, name, err);
    cJSON_Delete(root);
    return status;
}

// ---- Files and their bases ----

// The file asked for, its base, the base's base and so on.
struct chain {
    struct layer {
        const char *path;
        const char *real_path; // links resolved, to recognise a file under another name
        cJSON *root;
    } layers[CONFIG_MAX_FILES];
    int count;
};

static enum status add_layer(struct chain *chain, const char *path, struct arena *arena,
                             struct error *err) {
    char real_path[PATH_MAX];
    if (!realpath(path, real_path))
        return error_set(err, STATUS_NO_INPUT, "%s: %s", path, strerror(errno));
    for (int i = 0; i < chain->count; i++)
        if (strcmp(chain->layers[i].real_path, real_path) == 0)
            return error_set(err, STATUS_DATA, "%s is its own base", path);
    if (chain->count == CONFIG_MAX_FILES)
        return error_set(err, STATUS_DATA, "more than %d files behind one another",
                         CONFIG_MAX_FILES);
    struct layer *layer = &chain->layers[chain->count];
    layer->path = path;
    layer->real_path = arena_copy_text(arena, real_path, (int64_t)strlen(real_path));
    if (!layer->real_path) return error_memory(err, "a file name", PATH_MAX);
    struct file_view view;
    TRY(file_view_open(&view, path, CONFIG_MAX_BYTES, err));
    enum status status = parse(&layer->root, view.data, view.size, path, err);
    file_view_close(&view);
    TRY(status);
    chain->count++;
    return STATUS_OK;
}

// The path of the base that layer names: relative to the folder of layer.
static enum status base_path(const struct layer *layer, const cJSON *base, struct arena *arena,
                             const char **path, struct error *err) {
    if (!cJSON_IsString(base) || !*base->valuestring)
        return error_set(err, STATUS_DATA, "not the name of a file");
    const char *name = base->valuestring;
    const char *slash = strrchr(layer->path, '/');
    int folder = slash && *name != '/' ? (int)(slash - layer->path) + 1 : 0;
    int64_t size = folder + (int64_t)strlen(name) + 1;
    char *joined = arena_alloc(arena, size, 1);
    if (!joined) return error_memory(err, "a file name", size);
    snprintf(joined, (size_t)size, "%.*s%s", folder, layer->path, name);
    *path = joined;
    return STATUS_OK;
}

static enum status add_base(struct chain *chain, const struct layer *layer, const cJSON *base,
                            struct arena *arena, struct error *err) {
    const char *path = "";
    enum status status = base_path(layer, base, arena, &path, err);
    if (status == STATUS_OK) status = add_layer(chain, path, arena, err);
    if (status != STATUS_OK) error_prefix(err, "%s: base: ", layer->path);
    return status;
}

static enum status load_chain(struct options *options, struct chain *chain, const char *path,
                              struct error *err) {
    TRY(add_layer(chain, path, options->arena, err));
    for (;;) {
        CHECK(chain->count > 0);
        const struct layer *last = &chain->layers[chain->count - 1];
        const cJSON *base = cJSON_GetObjectItemCaseSensitive(last->root, "base");
        if (!base) break;
        TRY(add_base(chain, last, base, options->arena, err));
    }
    for (int i = chain->count - 1; i >= 0; i--)
        TRY(apply(options, chain->layers[i].root, chain->layers[i].path, err));
    return STATUS_OK;
}

enum status config_load(struct options *options, const char *path, struct error *err) {
    // A copy: origins point to it for as long as the options live.
    const char *copy = arena_copy_text(options->arena, path, (int64_t)strlen(path));
    if (!copy) return error_memory(err, "a file name", (long long)strlen(path));
    struct chain chain = {0};
    enum status status = load_chain(options, &chain, copy, err);
    for (int i = 0; i < chain.count; i++)
        cJSON_Delete(chain.layers[i].root);
    return status;
}

enum status config_override(struct options *options, const char *assignment, struct error *err) {
    const char *equals = strchr(assignment, '=');
    char name[NAME_BYTES];
    if (!equals || equals == assignment || equals - assignment >= NAME_BYTES)
        return error_set(err, STATUS_USAGE, "\"%.64s\" is not NAME=VALUE", assignment);
    memcpy(name, assignment, (size_t)(equals - assignment));
    name[equals - assignment] = '\0';
    const struct option_origin origin = {OPTION_FROM_COMMAND_LINE, NULL};
    if (equals[1] == '\0') return options_set_nothing(options, name, origin, err);
    return options_set_text(options, name, equals + 1, origin, err);
}
