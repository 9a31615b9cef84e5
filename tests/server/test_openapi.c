// The interface's description: whether it is well formed, whether it says what the program does,
// and whether all kinds of answers and errors are as it says.
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/detect_options.h"
#include "server/routes.h"
#include "tests/harness.h"
#include "tests/server/check_request.h"
#include "tests/server/check_schema.h"

static const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name) {
    const cJSON *value = member(object, name);
    return cJSON_IsString(value) ? value->valuestring : "";
}

// What a reference leads to, or the value itself.
static const cJSON *resolved(const cJSON *value) {
    const cJSON *reference = member(value, "$ref");
    return reference ? openapi_at(reference->valuestring) : value;
}

// Calls visit with every value of the document, outer ones first.
enum { MAX_DEPTH = 64 };

static void walk(void (*visit)(const cJSON *value)) {
    const cJSON *stack[MAX_DEPTH];
    int depth = 0;
    stack[depth++] = openapi();
    while (depth > 0) {
        const cJSON *value = stack[--depth];
        visit(value);
        if (value->next) stack[depth++] = value->next;
        if (value->child) stack[depth++] = value->child;
        REQUIRE(depth < MAX_DEPTH - 2);
    }
}

// Calls visit with every operation.
static void each_operation(void (*visit)(const char *path, const cJSON *operation)) {
    const cJSON *path = member(openapi(), "paths")->child;
    for (; path; path = path->next)
        for (const cJSON *operation = path->child; operation; operation = operation->next)
            visit(path->string, operation);
}

// ---- Well formed ----

static void check_reference(const cJSON *value) {
    if (!value->string || strcmp(value->string, "$ref") != 0) return;
    if (!openapi_at(value->valuestring))
        EXPECT_TEXT(value->valuestring, "a reference that resolves");
}

// No key stands twice in an object, and none is empty.
static void check_keys(const cJSON *value) {
    if (!cJSON_IsObject(value)) return;
    for (const cJSON *a = value->child; a; a = a->next)
        for (const cJSON *b = a->next; b; b = b->next)
            if (strcmp(a->string, b->string) == 0) EXPECT_TEXT(a->string, "a key that stands once");
}

// What a schema requires it also describes.
static void check_required(const cJSON *value) {
    const cJSON *properties = member(value, "properties");
    const cJSON *required = member(value, "required");
    if (!properties || !cJSON_IsArray(required)) return;
    for (const cJSON *name = required->child; name; name = name->next)
        if (!member(properties, name->valuestring)) EXPECT_TEXT(name->valuestring, "a property");
}

static void has_a_frame(void) {
    EXPECT_TEXT(text_of(openapi(), "openapi"), "3.1.0");
    EXPECT_TEXT(text_of(member(openapi(), "info"), "version"), "1");
    EXPECT(text_of(member(openapi(), "info"), "title")[0] != '\0');
    walk(check_reference);
    walk(check_keys);
    walk(check_required);
}

static bool has_tag(const char *name) {
    const cJSON *tag = member(openapi(), "tags")->child;
    while (tag && strcmp(text_of(tag, "name"), name) != 0)
        tag = tag->next;
    return tag != NULL;
}

// The names in a path's braces are its parameters, and the other way round.
static void check_parameters(const char *path, const cJSON *operation) {
    int num_braces = 0;
    int num_in_path = 0;
    for (const char *c = path; *c; c++)
        num_braces += *c == '{';
    const cJSON *list = member(operation, "parameters");
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next) {
        char braces[64];
        const cJSON *parameter = resolved(item);
        EXPECT(text_of(parameter, "name")[0] != '\0');
        EXPECT(cJSON_IsObject(member(parameter, "schema")));
        if (strcmp(text_of(parameter, "in"), "path") != 0) continue;
        EXPECT(cJSON_IsTrue(member(parameter, "required")));
        snprintf(braces, sizeof braces, "{%s}", text_of(parameter, "name"));
        EXPECT_CONTAINS(path, braces);
        num_in_path++;
    }
    EXPECT_INT(num_in_path, num_braces);
}

static void check_operation(const char *path, const cJSON *operation) {
    EXPECT(path[0] == '/');
    bool is_get = strcmp(operation->string, "get") == 0;
    EXPECT(is_get || strcmp(operation->string, "post") == 0 ||
           strcmp(operation->string, "put") == 0);
    EXPECT(text_of(operation, "summary")[0] != '\0');
    EXPECT(has_tag(member(operation, "tags")->child->valuestring));
    EXPECT((member(operation, "requestBody") == NULL) == is_get);
    const cJSON *response = member(operation, "responses")->child;
    EXPECT_TEXT(response->string, "200");
    for (; response; response = response->next) {
        const cJSON *found = resolved(response);
        EXPECT_INT((int64_t)strlen(response->string), 3);
        EXPECT(text_of(found, "description")[0] != '\0');
        EXPECT(cJSON_IsObject(member(found, "content")));
    }
    check_parameters(path, operation);
}

static char operation_ids[64][64];
static int num_operations;

static void keep_id(const char *path, const cJSON *operation) {
    (void)path;
    REQUIRE(num_operations < 64);
    const char *id = text_of(operation, "operationId");
    EXPECT(id[0] != '\0');
    for (int i = 0; i < num_operations; i++)
        EXPECT(strcmp(operation_ids[i], id) != 0);
    snprintf(operation_ids[num_operations++], sizeof operation_ids[0], "%s", id);
}

static void has_whole_operations(void) {
    each_operation(check_operation);
    each_operation(keep_id);
    EXPECT(num_operations > 15);
}

static const char *sought_reference;
static bool is_referred_to;

static void seek_reference(const cJSON *value) {
    if (value->string && strcmp(value->string, "$ref") == 0 &&
        strcmp(value->valuestring, sought_reference) == 0)
        is_referred_to = true;
}

static void uses_all_components(void) {
    static const char *const KINDS[] = {"schemas", "responses", "parameters", "headers"};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        const cJSON *component = member(member(openapi(), "components"), KINDS[i])->child;
        for (; component; component = component->next) {
            char reference[128];
            snprintf(reference, sizeof reference, "#/components/%s/%s", KINDS[i],
                     component->string);
            sought_reference = reference;
            is_referred_to = false;
            walk(seek_reference);
            if (!is_referred_to) EXPECT_TEXT(reference, "used");
        }
    }
}

// ---- True ----

static const char *all_descriptions(int status) {
    static char all[2048];
    all[0] = '\0';
    const cJSON *path = member(openapi(), "paths")->child;
    for (; path; path = path->next) {
        for (const cJSON *operation = path->child; operation; operation = operation->next) {
            char name[8];
            snprintf(name, sizeof name, "%d", status);
            const cJSON *response = member(member(operation, "responses"), name);
            const char *text = response ? text_of(resolved(response), "description") : "";
            size_t used = strlen(all);
            if (!strstr(all, text)) snprintf(all + used, sizeof all - used, "%s", text);
        }
    }
    return all;
}

// Every fault is among the codes, its status among the answers, and what is written of it fits.
static void knows_all_faults(void) {
    const cJSON *codes = openapi_at("#/components/schemas/Error/properties/code/enum");
    EXPECT_INT(cJSON_GetArraySize(codes), NUM_FAULTS - 1);
    for (int i = 1; i < NUM_FAULTS; i++) {
        struct fault fault;
        struct output out;
        const char *word = fault_word((enum fault_code)i);
        const cJSON *code = codes->child;
        while (code && strcmp(code->valuestring, word) != 0)
            code = code->next;
        if (!code) EXPECT_TEXT(word, "a documented code");
        EXPECT_CONTAINS(all_descriptions(fault_status((enum fault_code)i)), word);
        fault_set_limit(&fault, (enum fault_code)i, 1, 2, "a sentence");
        strcpy(fault.field, "options.score");
        output_open_memory(&out);
        fault_write(&fault, "a1", &out);
        EXPECT(schema_accepts("#/components/schemas/Error", out.data));
        output_discard(&out);
    }
}

// Every address that the program answers is described, and no other.
static void knows_all_routes(void) {
    int num_found = 0;
    for (int i = 0; route_name(i); i++) {
        char reference[256] = "#/paths/";
        char *at = reference + strlen(reference);
        const char *name = route_name(i);
        if (name[0] != '/') continue; // pages, and all the rest
        for (const char *c = name; *c; c++) {
            bool is_model = strncmp(c, "{model}", strlen("{model}")) == 0;
            if (is_model) c += strlen("{model}") - 1;
            at = is_model ? stpcpy(at, "{name}") : *c == '/' ? stpcpy(at, "~1") : at;
            if (!is_model && *c != '/') *at++ = *c;
        }
        *at = '\0';
        if (!openapi_at(reference)) EXPECT_TEXT(name, "described");
        num_found++;
    }
    // Beside the routes: the page and this description.
    EXPECT_INT(cJSON_GetArraySize(member(openapi(), "paths")), num_found + 2);
}

// ---- Options ----

static const char *ask_option(const char *name, const char *value) {
    static char code[64];
    char query[256];
    struct asked asked;
    snprintf(query, sizeof query, "%s=%s", name, value);
    const struct http_request http = {
        .path = "/v1/detect",
        .query = query,
        .body = (const uint8_t *)test_jpeg()->data,
        .body_size = test_jpeg()->size,
    };
    ask(&asked, &http);
    snprintf(code, sizeof code, "%s", asked_code(&asked));
    asked_free(&asked);
    return code;
}

static void check_bound(const cJSON *property, const char *bound, double beyond) {
    char value[64];
    const cJSON *number = member(property, bound);
    if (!number) return;
    snprintf(value, sizeof value, "%.0f", number->valuedouble);
    EXPECT_TEXT(ask_option(property->string, value), "");
    bool is_whole = strcmp(text_of(property, "type"), "integer") == 0;
    double step = number->valuedouble < 0x1p53 ? 1 : 2; // that doubles can tell
    snprintf(value, sizeof value, is_whole ? "%.0f" : "%.3f",
             number->valuedouble + beyond * (is_whole ? step : 0.001));
    EXPECT_TEXT(ask_option(property->string, value), "bad_option");
}

// Names, defaults, bounds and choices are those of the table.
static void knows_all_options(void) {
    struct detect_options defaults = {0};
    struct options options;
    struct fault fault;
    struct arena arena;
    struct output out;
    struct json_writer w;
    arena_init(&arena, 4096, 0);
    EXPECT(detect_options_begin(&options, &defaults, &test_model, &test_limits, &arena, &fault));
    output_open_memory(&out);
    json_writer_init(&w, &out, 0);
    detect_options_write(&defaults, &w);
    EXPECT(schema_accepts("#/components/schemas/EffectiveOptions", out.data));
    cJSON *written = cJSON_Parse(out.data);
    const cJSON *properties = openapi_at("#/components/schemas/Options/properties");
    EXPECT_INT(cJSON_GetArraySize(properties), cJSON_GetArraySize(written));
    for (const cJSON *property = properties->child; property; property = property->next) {
        char reference[128];
        const cJSON *value = member(written, property->string);
        REQUIRE(value != NULL);
        EXPECT(cJSON_Compare(value, member(property, "default"), true));
        snprintf(reference, sizeof reference, "#/components/parameters/%s", property->string);
        EXPECT(openapi_at(reference) != NULL);
        check_bound(property, "minimum", -1);
        check_bound(property, "maximum", 1);
        const cJSON *choices = member(property, "enum");
        for (const cJSON *c = choices ? choices->child : NULL; c; c = c->next)
            EXPECT_TEXT(ask_option(property->string, c->valuestring), "");
    }
    cJSON_Delete(written);
    output_discard(&out);
    arena_destroy(&arena);
}

// ---- Answers ----

static void fits_all_answers(void) {
    static const char *const QUERIES[] = {
        "",
        "mask=rle_list",
        "mask=polygon",
        "mask=polygon&polygon_tolerance=2",
        "mask=box",
        "mask=none&timing=false&classes=dog",
        "format=coco",
        "format=coco&mask=rle_list",
        "format=coco&mask=box",
    };
    for (size_t i = 0; i < sizeof QUERIES / sizeof *QUERIES; i++) {
        struct asked asked;
        struct detect_outcome outcome;
        const struct http_request http = {
            .path = "/v1/detect",
            .query = QUERIES[i],
            .body = (const uint8_t *)test_jpeg()->data,
            .body_size = test_jpeg()->size,
        };
        ask(&asked, &http);
        REQUIRE(asked.accepted);
        test_outcome(&outcome, &asked.arena);
        const char *text = answer_to(&asked, &outcome);
        REQUIRE(text != NULL);
        EXPECT(schema_accepts("#/paths/~1v1~1detect/post/responses/200/content/application~1json/"
                              "schema",
                              text));
        asked_free(&asked);
    }
}

// The validator itself: a check that cannot fail is worth nothing.
static void refuses_others(void) {
    static const char GOOD[] =
        "{\"error\":\"x\",\"code\":\"bad_json\",\"status\":400,\"request_id\":\"a\"}";
    static const char *const BAD[] = {
        "{}",
        "[]",
        "{\"error\":\"x\",\"code\":\"bad_json\",\"status\":400}",
        "{\"error\":\"\",\"code\":\"bad_json\",\"status\":400,\"request_id\":\"a\"}",
        "{\"error\":7,\"code\":\"bad_json\",\"status\":400,\"request_id\":\"a\"}",
        "{\"error\":\"x\",\"code\":\"good_json\",\"status\":400,\"request_id\":\"a\"}",
        "{\"error\":\"x\",\"code\":\"bad_json\",\"status\":200,\"request_id\":\"a\"}",
        "{\"error\":\"x\",\"code\":\"bad_json\",\"status\":400.5,\"request_id\":\"a\"}",
        "{\"error\":\"x\",\"code\":\"bad_json\",\"status\":400,\"request_id\":\"a b\"}",
        "{\"error\":\"x\",\"code\":\"bad_json\",\"status\":400,\"request_id\":\"a\",\"more\":1}",
        ("{\"error\":\"x\",\"code\":\"bad_json\",\"status\":400,\"request_id\":\"a\","
         "\"details\":[]}"),
    };
    const cJSON *schema = openapi_at("#/components/schemas/Error");
    EXPECT(schema_accepts("#/components/schemas/Error", GOOD));
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        cJSON *value = cJSON_Parse(BAD[i]);
        EXPECT(value != NULL);
        if (schema_fits(schema, value, "$", true)) EXPECT_TEXT(BAD[i], "refused");
        cJSON_Delete(value);
    }
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"has_a_frame", has_a_frame},
                         {"has_whole_operations", has_whole_operations},
                         {"uses_all_components", uses_all_components},
                         {"knows_all_faults", knows_all_faults},
                         {"knows_all_routes", knows_all_routes},
                         {"knows_all_options", knows_all_options},
                         {"fits_all_answers", fits_all_answers},
                         {"refuses_others", refuses_others},
                         {0},
                     });
}
