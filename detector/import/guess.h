// The configuration that weights were made for, as far as names and shapes tell it and the family's
// customs say the rest: so that an import needs no configuration file.
#pragma once

#include "base/option.h"
#include "detector/import/key_map.h"

// Assignments NAME=VALUE of options of detector/config.h, for config_override, in arena.
MUST_CHECK enum status guess_settings(const struct key_map *map, struct option_texts *settings,
                                      struct arena *arena, struct error *err);
