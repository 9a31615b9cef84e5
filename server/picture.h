// The bytes of one picture: where they come from and what they are, without decoding them.
#pragma once

#include "base/arena.h"
#include "base/json_reader.h"
#include "server/detect_request.h"

// Whether the bytes are those of a JPEG or PNG file, by the first of them, and of the type that the
// client gave, if it gave one. Fills picture->fault.
bool picture_check(struct picture *picture);

// The picture in a JSON string of base64 text: decoded to arena and checked.
bool picture_from_base64(struct picture *picture, const struct json_string *string,
                         struct arena *arena);
