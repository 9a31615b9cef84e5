#include "nn/cuda/module_path.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char VARIABLE[] = "GCTMASK_CUDA_MODULE";
static const char FILE_NAME[] = "gctmask-cuda.so";

// Behind the own folder: as built; as installed, seen from the shared library and from the program.
static const char *const FOLDERS[] = {"", "gctmask/", "../" GCTMASK_LIBDIR "/gctmask/"};

// The file of the program, or of the shared library that this code is part of.
static void own_file(char file[MODULE_PATH_BYTES]) {
    Dl_info info;
    struct link_map *object = NULL;
    file[0] = '\0';
    if (!dladdr1((const void *)FILE_NAME, &info, (void **)&object, RTLD_DL_LINKMAP)) return;
    if (object->l_name[0] != '\0') {
        snprintf(file, MODULE_PATH_BYTES, "%s", object->l_name);
        return;
    }
    // A program has no name there, and the one that it was started by may lack the folder.
    ssize_t size = readlink("/proc/self/exe", file, MODULE_PATH_BYTES - 1);
    file[size > 0 ? size : 0] = '\0';
}

enum status module_path_find(char path[MODULE_PATH_BYTES], struct error *err) {
    char folder[MODULE_PATH_BYTES];
    const char *named = secure_getenv(VARIABLE);
    if (named && named[0]) {
        snprintf(path, MODULE_PATH_BYTES, "%s", named);
        return STATUS_OK;
    }
    own_file(folder);
    char *slash = strrchr(folder, '/');
    if (slash) slash[1] = '\0';
    for (size_t i = 0; slash && i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        int size = snprintf(path, MODULE_PATH_BYTES, "%s%s%s", folder, FOLDERS[i], FILE_NAME);
        if (size < MODULE_PATH_BYTES && access(path, F_OK) == 0) return STATUS_OK;
    }
    return error_set(err, STATUS_DEVICE,
                     "CUDA: %s is neither in %s nor installed; the variable %s can say where it is",
                     FILE_NAME, folder, VARIABLE);
}
