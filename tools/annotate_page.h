// The fixed parts of the gallery's page.
#pragma once

extern const char ANNOTATE_PAGE_STYLE[];
extern const char ANNOTATE_PAGE_SCRIPT[];
