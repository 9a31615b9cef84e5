// Images and categories: names, sizes and files.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file_view.h"
#include "data/coco_check_internal.h"
#include "data/image.h"

enum {
    MAX_NAME_BYTES = 255,
    SHOWN_NAME_BYTES = 80, // a name in a message is cut here
    PATH_BYTES = 4352,     // folder and name; longer ones no system call takes
};

static void check_name_text(struct problem_list *problems, struct problem_place place,
                            const char *what, const char *name) {
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c >= ' ' && *c != 0x7F) continue;
        problem_add(problems, PROBLEM_NAME_UNPRINTABLE, place,
                    "the %s holds the control character 0x%02x at byte %lld", what,
                    (unsigned)(unsigned char)*c, (long long)(c - name));
        break;
    }
    size_t size = strlen(name);
    if (size > MAX_NAME_BYTES)
        problem_add(problems, PROBLEM_NAME_TOO_LONG, place,
                    "the %s has %zu bytes, expected at most %d", what, size, MAX_NAME_BYTES);
}

void check_category(struct problem_list *problems, const struct coco_set *set, int64_t index) {
    const struct coco_category *category = &set->categories[index];
    struct problem_place place = {COCO_CATEGORIES, index, category->id};
    if (category->defects & DEFECT_ID)
        problem_add(problems, PROBLEM_CATEGORY_ID_MISSING, place, "%s",
                    coco_defect_text(DEFECT_ID));
    if (category->defects & DEFECT_NAME)
        problem_add(problems, PROBLEM_NAME_NOT_TEXT, place, "%s", coco_defect_text(DEFECT_NAME));
    else if (category->name[0] == '\0')
        problem_add(problems, PROBLEM_NAME_MISSING, place, "the category has no name");
    else
        check_name_text(problems, place, "name", category->name);
}

// Whether a name, taken relative to a folder, may lead elsewhere: "/x", "..", "a/../../b".
static bool leaves_folder(const char *name) {
    if (name[0] == '/') return true;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) return true;
    }
    return false;
}

// The set's size must be that of the upright image, because that is what is trained on.
static void check_file_size(struct problem_list *problems, struct problem_place place,
                            const struct coco_image *image, const struct image_info *info) {
    bool fits = image->width == info->width && image->height == info->height;
    bool fits_stored = image->width == info->stored_width && image->height == info->stored_height;
    if (info->exif_orientation != 1)
        problem_add(problems, PROBLEM_EXIF_ROTATED, place,
                    "%.*s is to be turned by its EXIF orientation %d; the annotations must be of "
                    "the upright image",
                    SHOWN_NAME_BYTES, image->file_name, info->exif_orientation);
    if (fits || image->width == 0 || image->height == 0) return;
    problem_add(problems, PROBLEM_IMAGE_SIZE_DIFFERS, place,
                "%.*s is %d x %d, the set says %d x %d%s", SHOWN_NAME_BYTES, image->file_name,
                info->width, info->height, image->width, image->height,
                fits_stored ? " (its size before the EXIF rotation)" : "");
}

static void check_file(struct problem_list *problems, struct problem_place place,
                       const struct coco_image *image, const char *folder) {
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s/%s", folder, image->file_name);
    struct stat info;
    int failure = length >= (int)sizeof path ? ENAMETOOLONG : stat(path, &info) != 0 ? errno : 0;
    if (failure) {
        problem_add(problems, PROBLEM_MISSING_IMAGE_FILE, place, "%.*s: %s", SHOWN_NAME_BYTES,
                    image->file_name, strerror(failure));
        return;
    }
    struct file_view view;
    struct error err;
    struct image_info found;
    struct image_limits limits = image_limits_default();
    enum status status = file_view_open(&view, path, 0, &err);
    if (status == STATUS_OK) {
        status = image_probe(&found, view.data, view.size, image->file_name, &limits, true, &err);
        file_view_close(&view);
    }
    if (status == STATUS_MEMORY)
        problem_list_fail(problems, &err);
    else if (status != STATUS_OK)
        problem_add(problems, PROBLEM_UNREADABLE_IMAGE, place, "%s", err.message);
    else
        check_file_size(problems, place, image, &found);
}

void check_image(struct problem_list *problems, const struct coco_set *set, int64_t index,
                 const char *folder) {
    const struct coco_image *image = &set->images[index];
    struct problem_place place = {COCO_IMAGES, index, image->id};
    if (image->defects & DEFECT_ID)
        problem_add(problems, PROBLEM_IMAGE_ID_MISSING, place, "%s", coco_defect_text(DEFECT_ID));
    if (image->id > INT32_MAX || image->id < INT32_MIN)
        problem_add(problems, PROBLEM_LARGE_ID, place, "the id does not fit 32 bits");
    if (image->defects & DEFECT_SIZE)
        problem_add(problems, PROBLEM_IMAGE_SIZE_MISSING, place, "%s",
                    coco_defect_text(DEFECT_SIZE));
    else if (image->width == 0 || image->height == 0)
        problem_add(problems, PROBLEM_IMAGE_SIZE_MISSING, place, "width or height is missing");
    if (image->defects & DEFECT_NAME)
        problem_add(problems, PROBLEM_NAME_NOT_TEXT, place, "%s", coco_defect_text(DEFECT_NAME));
    else if (!image->file_name || image->file_name[0] == '\0')
        problem_add(problems, PROBLEM_FILE_NAME_MISSING, place, "file_name is missing or empty");
    else {
        check_name_text(problems, place, "file name", image->file_name);
        if (leaves_folder(image->file_name))
            problem_add(problems, PROBLEM_FILE_NAME_LEAVES_FOLDER, place,
                        "%.*s may lead out of the folder of images", SHOWN_NAME_BYTES,
                        image->file_name);
        if (folder) check_file(problems, place, image, folder);
    }
}
