#include "server/routes.h"

#include <string.h>

static const struct {
    const char *path;
    enum document document;
    bool is_open;
    bool is_posted; // POST instead of GET
    bool is_admin;  // there as well
} DOCUMENTS[] = {
    {"/v1/health/live", DOCUMENT_LIVE, true, false, true},
    {"/v1/health/ready", DOCUMENT_READY, true, false, true},
    {"/v1/info", DOCUMENT_INFO, false, false, false},
    {"/v1/models", DOCUMENT_MODELS, false, false, false},
    {"/v1/models/{model}", DOCUMENT_MODEL, false, false, false},
    {"/v2", DOCUMENT_OIP_SERVER, false, false, false},
    {"/v2/health/live", DOCUMENT_OIP_LIVE, true, false, false},
    {"/v2/health/ready", DOCUMENT_OIP_READY, true, false, false},
    {"/v2/models/{model}", DOCUMENT_OIP_MODEL, false, false, false},
    {"/v2/models/{model}/ready", DOCUMENT_OIP_MODEL_READY, false, false, false},
    {"/v2/models/{model}/versions/{version}", DOCUMENT_OIP_MODEL, false, false, false},
    {"/v2/models/{model}/versions/{version}/ready", DOCUMENT_OIP_MODEL_READY, false, false, false},
    {"/health", DOCUMENT_LABEL_STUDIO_HEALTH, true, false, false},
    {"/setup", DOCUMENT_LABEL_STUDIO_SETUP, false, true, false},
    {"/metrics", DOCUMENT_METRICS, false, false, true},
};
enum { NUM_DOCUMENTS = sizeof DOCUMENTS / sizeof *DOCUMENTS };

static int num_dialects(void) {
    int count = 0;
    while (DIALECTS[count])
        count++;
    return count;
}

// First documents, then dialects, the page's files and all other addresses.
const char *route_name(int index) {
    static const char *const LAST[] = {"page", "other", NULL};
    int count = num_dialects();
    if (index < NUM_DOCUMENTS) return DOCUMENTS[index].path;
    if (index < NUM_DOCUMENTS + count) return DIALECTS[index - NUM_DOCUMENTS]->path;
    return LAST[index - NUM_DOCUMENTS - count];
}

int route_other(void) {
    return NUM_DOCUMENTS + num_dialects() + 1;
}

// Whether method is one of those in a list like "GET, HEAD".
static bool is_listed(const char *methods, const char *method) {
    size_t size = strlen(method);
    for (const char *at = methods; size > 0 && (at = strstr(at, method)); at += size)
        if ((at == methods || at[-1] == ' ') && (at[size] == ',' || !at[size])) return true;
    return false;
}

// Fills route with what lies at path; the result is the methods that go there, NULL if nothing
// does.
static const char *find(struct route *route, const char *path, bool admin) {
    static const char *const GET = "GET, HEAD";
    for (int i = 0; i < NUM_DOCUMENTS; i++) {
        bool here = admin ? DOCUMENTS[i].is_admin : DOCUMENTS[i].document != DOCUMENT_METRICS;
        if (!here || !path_fits(DOCUMENTS[i].path, path, route->segments)) continue;
        route->document = DOCUMENTS[i].document;
        route->is_open = DOCUMENTS[i].is_open;
        route->index = i;
        return DOCUMENTS[i].is_posted ? "POST" : GET;
    }
    memset(route->segments, 0, sizeof route->segments);
    if (admin) return NULL;
    route->dialect = dialect_find(path, route->segments);
    for (int i = 0; route->dialect && DIALECTS[i]; i++)
        if (DIALECTS[i] == route->dialect) route->index = NUM_DOCUMENTS + i;
    // PUT is what curl -T does.
    if (route->dialect) return "POST, PUT";
    route->page = page_find(path);
    route->is_open = true;
    if (route->page) route->index = NUM_DOCUMENTS + num_dialects();
    return route->page ? GET : NULL;
}

bool route_find(struct route *route, const char *method, const char *path, bool admin,
                const char **allow, struct fault *fault) {
    *route = (struct route){.index = route_other()};
    *allow = NULL;
    const char *methods = find(route, path, admin);
    if (!methods) return fault_set(fault, FAULT_NOT_FOUND, "there is nothing at this address");
    if (is_listed(methods, method)) return true;
    *allow = methods;
    return fault_set(fault, FAULT_METHOD_NOT_ALLOWED, "this address takes %s", methods);
}
