#include "tools/annotate_gallery.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "tools/annotate_files.h"
#include "tools/annotate_page.h"
#include "train/folder.h"

// What is found of one class in one picture.
struct class_count {
    int64_t class_index;
    int64_t count;
};

struct gallery_card {
    const char *name;
    int32_t width, height;
    double least; // score; 1 without scores, 2 without objects, so that these come last
    int64_t num_objects;
    struct class_count *classes;
    int64_t num_classes;
};

enum status gallery_init(struct annotate_gallery *gallery,
                         const struct annotate_output_options *options,
                         const struct class_list *classes, struct error *err) {
    *gallery = (struct annotate_gallery){.options = options, .classes = classes};
    arena_init(&gallery->arena, 1 << 16, 0);
    gallery->class_counts =
        arena_alloc_zero(&gallery->arena, classes->count, sizeof *gallery->class_counts);
    return gallery->class_counts ? STATUS_OK : error_memory(err, "a gallery", 8 * classes->count);
}

void gallery_destroy(struct annotate_gallery *gallery) {
    array_free(&gallery->cards);
    if (gallery->arena.block_bytes > 0) arena_destroy(&gallery->arena);
    *gallery = (struct annotate_gallery){0};
}

static void count_class(struct gallery_card *card, int64_t class_index) {
    int64_t i = 0;
    while (i < card->num_classes && card->classes[i].class_index != class_index)
        i++;
    if (i == card->num_classes)
        card->classes[card->num_classes++] = (struct class_count){class_index, 0};
    card->classes[i].count++;
}

enum status gallery_add(struct annotate_gallery *gallery, const struct annotated_image *image,
                        struct error *err) {
    TRY(array_reserve(&gallery->cards, &gallery->card_capacity, gallery->num_cards + 1,
                      sizeof *gallery->cards, err));
    struct gallery_card card = {
        .name = image->name,
        .width = image->width,
        .height = image->height,
        .least = image->num_objects > 0 ? 1 : 2,
        .num_objects = image->num_objects,
        .classes = arena_alloc(&gallery->arena, image->num_objects, sizeof *card.classes),
    };
    if (!card.classes) return error_memory(err, "a gallery", image->num_objects * 16);
    for (int64_t i = 0; i < image->num_objects; i++) {
        const struct annotated_object *object = &image->objects[i];
        if (object->has_score && object->score < card.least) card.least = object->score;
        count_class(&card, object->class_index);
        gallery->class_counts[object->class_index]++;
    }
    gallery->num_objects += image->num_objects;
    gallery->cards[gallery->num_cards++] = card;
    return STATUS_OK;
}

// ---- The page ----

static void write_html(struct output *out, const char *text) {
    for (const char *c = text; *c; c++) {
        if (strchr("<>&\"'", *c))
            output_printf(out, "&#%d;", *c);
        else
            output_write(out, c, 1);
    }
}

// All but RFC 3986's unreserved characters and "/" as %XX.
static void write_url(struct output *out, const char *text) {
    static const char PLAIN[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    for (const char *c = text; *c; c++) {
        if (strchr(PLAIN, *c))
            output_write(out, c, 1);
        else
            output_printf(out, "%%%02X", (unsigned)(unsigned char)*c);
    }
}

static enum status write_card(const struct annotate_gallery *gallery, struct output *out,
                              const struct gallery_card *card, struct error *err) {
    char overlay[PATH_BYTES];
    char thumbnail[PATH_BYTES];
    TRY(annotate_overlay_name(overlay, sizeof overlay, card->name, gallery->options->overlay, err));
    TRY(annotate_thumbnail_name(thumbnail, sizeof thumbnail, card->name, err));
    output_printf(out, "<a class=card data-least=%.4f data-count=%lld data-classes=\"", card->least,
                  (long long)card->num_objects);
    for (int64_t i = 0; i < card->num_classes; i++)
        output_printf(out, "%s%lld", i ? " " : "", (long long)card->classes[i].class_index);
    output_text(out, "\" href=\"");
    write_url(out, overlay);
    output_text(out, "\"><img loading=lazy alt=\"\" src=\"");
    write_url(out, thumbnail);
    output_text(out, "\"><b>");
    write_html(out, card->name);
    output_printf(out, "</b><span>%d &times; %d", (int)card->width, (int)card->height);
    if (card->least < 1) output_printf(out, " &middot; least %.2f", card->least);
    output_text(out, "</span><span>");
    for (int64_t i = 0; i < card->num_classes; i++) {
        output_printf(out, "%s%lld ", i ? ", " : "", (long long)card->classes[i].count);
        write_html(out, gallery->classes->items[card->classes[i].class_index].name);
    }
    output_text(out, card->num_classes ? "</span></a>\n" : "nothing</span></a>\n");
    return STATUS_OK;
}

static int compare_cards(const void *a, const void *b) {
    const struct gallery_card *x = a;
    const struct gallery_card *y = b;
    if (x->least != y->least) return x->least < y->least ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void write_filters(const struct annotate_gallery *gallery, struct output *out) {
    output_text(out, "<div id=classes role=group aria-label=\"Classes to show\">\n");
    for (int64_t i = 0; i < gallery->classes->count; i++) {
        if (gallery->class_counts[i] == 0) continue;
        output_printf(out, "<button aria-pressed=false data-class=%lld>", (long long)i);
        write_html(out, gallery->classes->items[i].name);
        output_printf(out, " <i>%lld</i></button>\n", (long long)gallery->class_counts[i]);
    }
    output_text(out, "</div>\n");
}

static enum status write_page(struct annotate_gallery *gallery, struct output *out,
                              struct error *err) {
    output_text(out, "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
                     "<meta name=viewport content=\"width=device-width\">\n"
                     "<title>Annotations</title>\n<style>\n");
    output_text(out, ANNOTATE_PAGE_STYLE);
    output_printf(out,
                  "</style></head><body>\n<header><h1>Annotations</h1><p>%lld pictures, %lld "
                  "objects; <span id=shown>%lld</span> pictures shown</p>\n",
                  (long long)gallery->num_cards, (long long)gallery->num_objects,
                  (long long)gallery->num_cards);
    output_text(out, "<label>Order <select id=order><option value=least>least certain first"
                     "<option value=count>most objects first<option value=name>by name"
                     "</select></label>\n"
                     "<label>Name <input id=search type=search placeholder=\"part of a name\">"
                     "</label>\n");
    write_filters(gallery, out);
    output_text(out, "</header>\n<main id=cards>\n");
    if (gallery->num_cards > 0)
        qsort(gallery->cards, (size_t)gallery->num_cards, sizeof *gallery->cards, compare_cards);
    for (int64_t i = 0; i < gallery->num_cards; i++)
        TRY(write_card(gallery, out, &gallery->cards[i], err));
    output_text(out, "</main>\n<script>\n");
    output_text(out, ANNOTATE_PAGE_SCRIPT);
    output_text(out, "</script></body></html>\n");
    return STATUS_OK;
}

enum status gallery_save(struct annotate_gallery *gallery, struct error *err) {
    char path[PATH_BYTES];
    struct output out;
    TRY(path_join(path, gallery->options->out, "index.html", err));
    TRY(output_open_file(&out, path, err));
    enum status status = write_page(gallery, &out, err);
    if (status == STATUS_OK) status = output_commit(&out, err);
    output_discard(&out);
    return status;
}
