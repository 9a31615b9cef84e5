// --size: the size of a network's input.
#pragma once

#include "base/error.h"
#include "nn/box_list.h"

// "WIDTHxHEIGHT", rounded up to what a network takes.
MUST_CHECK enum status network_size_parse(const char *text, struct extent *size, struct error *err);
