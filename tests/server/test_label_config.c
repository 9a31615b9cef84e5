#include "server/label_config.h"

#include <string.h>

#include "tests/harness.h"

static void expect_config(const char *xml, enum label_control control, const char *from,
                          const char *to, const char *key) {
    struct label_config config;
    label_config_read(&config, xml);
    EXPECT_INT(config.control, control);
    EXPECT_TEXT(config.from_name, from);
    EXPECT_TEXT(config.to_name, to);
    EXPECT_TEXT(config.data_key, key);
}

// Label Studio's templates for segmentation with brushes, with polygons, and for detection.
static void reads_templates(void) {
    expect_config("<View>\n  <Image name=\"image\" value=\"$image\" zoom=\"true\"/>\n"
                  "  <BrushLabels name=\"tag\" toName=\"image\">\n"
                  "    <Label value=\"Airplane\" background=\"rgba(255, 0, 0, 0.7)\"/>\n"
                  "  </BrushLabels>\n</View>",
                  CONTROL_BRUSH, "tag", "image", "image");
    expect_config("<View><Header value=\"Select\"/><Image name=\"img\" value=\"$url\"/>"
                  "<PolygonLabels strokeWidth='3' name='label' toName='img'><Label value=\"Car\"/>"
                  "</PolygonLabels></View>",
                  CONTROL_POLYGON, "label", "img", "url");
    expect_config("<View><Image name=\"a\" value=\"$x\"/><Image value=\"$y\" name=\"b\"/>"
                  "<RectangleLabels\n toName = \"b\"\n name = \"r\" ></RectangleLabels></View>",
                  CONTROL_RECTANGLE, "r", "b", "y");
    // The exact form is taken where a project has several.
    expect_config(
        "<RectangleLabels name=\"r\" toName=\"i\"/><BrushLabels name=\"s\" toName=\"i\"/>",
        CONTROL_BRUSH, "s", "i", "image");
}

static void has_defaults(void) {
    expect_config(NULL, CONTROL_BRUSH, "label", "image", "image");
    expect_config("", CONTROL_BRUSH, "label", "image", "image");
    expect_config("<View/>", CONTROL_BRUSH, "label", "image", "image");
    expect_config("<BrushLabelsX name=\"a\" toName=\"b\">", CONTROL_BRUSH, "label", "image",
                  "image");
    expect_config("<Image name=\"image\" value=\"image\"/>", CONTROL_BRUSH, "label", "image",
                  "image");
}

static void bears_nonsense(void) {
    static const char *const TEXTS[] = {
        "<",
        "<BrushLabels",
        "<BrushLabels ",
        "<BrushLabels name",
        "<BrushLabels name=",
        "<BrushLabels name=\"",
        "<BrushLabels name=\"a",
        "<BrushLabels =\"a\"",
        "<BrushLabels name=a toName=b>",
        "<BrushLabels \"a\" 'b'>",
        "<BrushLabels name=\"0123456789012345678901234567890123456789012345678901234567890123\"/>",
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        expect_config(TEXTS[i], CONTROL_BRUSH, "label", "image", "image");
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"reads_templates", reads_templates},
                         {"has_defaults", has_defaults},
                         {"bears_nonsense", bears_nonsense},
                         {0},
                     });
}
