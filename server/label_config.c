#include "server/label_config.h"

#include <stdio.h>
#include <string.h>

static const char SPACE[] = " \t\r\n";

// The tag of that name at or behind xml: what follows its name, NULL if there is none.
static const char *find_tag(const char *xml, const char *name) {
    size_t size = strlen(name);
    for (const char *at = strchr(xml, '<'); at; at = strchr(at + 1, '<'))
        if (strncmp(at + 1, name, size) == 0 && at[size + 1] && strchr(SPACE, at[size + 1]))
            return at + 1 + size;
    return NULL;
}

// Copies an attribute of a tag; leaves value as it is if it is not there or does not fit.
static void read_attribute(char value[LABEL_NAME_BYTES], const char *tag, const char *name) {
    size_t name_size = strlen(name);
    for (const char *at = tag + strspn(tag, SPACE); *at && *at != '>' && *at != '/';) {
        size_t size = strcspn(at, "= \t\r\n>");
        const char *quote = at + size + strspn(at + size, SPACE);
        if (*quote != '=') return;
        quote += 1 + strspn(quote + 1, SPACE);
        const char *end = *quote == '"' || *quote == '\'' ? strchr(quote + 1, *quote) : NULL;
        if (!end) return;
        size_t value_size = (size_t)(end - quote - 1);
        if (size == name_size && memcmp(at, name, size) == 0 && value_size < LABEL_NAME_BYTES) {
            memcpy(value, quote + 1, value_size);
            value[value_size] = '\0';
            return;
        }
        at = end + 1 + strspn(end + 1, SPACE);
    }
}

void label_config_read(struct label_config *config, const char *xml) {
    static const char *const CONTROLS[] = {
        [CONTROL_BRUSH] = "BrushLabels",
        [CONTROL_POLYGON] = "PolygonLabels",
        [CONTROL_RECTANGLE] = "RectangleLabels",
    };
    *config = (struct label_config){CONTROL_BRUSH, "label", "image", "image"};
    if (!xml) return;
    for (int i = CONTROL_BRUSH; i <= CONTROL_RECTANGLE; i++) {
        const char *tag = find_tag(xml, CONTROLS[i]);
        if (!tag) continue;
        config->control = (enum label_control)i;
        read_attribute(config->from_name, tag, "name");
        read_attribute(config->to_name, tag, "toName");
        break;
    }
    for (const char *tag = find_tag(xml, "Image"); tag; tag = find_tag(tag, "Image")) {
        char name[LABEL_NAME_BYTES] = "";
        char value[LABEL_NAME_BYTES] = "";
        read_attribute(name, tag, "name");
        read_attribute(value, tag, "value");
        if (strcmp(name, config->to_name) != 0 || value[0] != '$') continue;
        snprintf(config->data_key, sizeof config->data_key, "%s", value + 1);
        return;
    }
}

const char *label_control_type(enum label_control control) {
    static const char *const TYPES[] = {
        [CONTROL_BRUSH] = "brushlabels",
        [CONTROL_POLYGON] = "polygonlabels",
        [CONTROL_RECTANGLE] = "rectanglelabels",
    };
    return TYPES[control];
}
