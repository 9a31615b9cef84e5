#include "tools/exit_code.h"

#include <stddef.h>

const struct exit_meaning EXIT_MEANINGS[] = {
    {EXIT_CODE_DONE, "everything was done"},
    {EXIT_CODE_INTERNAL, "the program or the operating system failed"},
    {EXIT_CODE_SOME_FAILED, "some inputs failed, the others were done"},
    {EXIT_CODE_NOTHING_TO_DO, "there was nothing to do"},
    {EXIT_CODE_USAGE, "the command line or a setting makes no sense"},
    {EXIT_CODE_DATA, "the content of an input is wrong or not supported"},
    {EXIT_CODE_NO_INPUT, "an input cannot be opened or read"},
    {EXIT_CODE_CANNOT_WRITE, "an output cannot be written"},
    {EXIT_CODE_RETRY_LATER, "memory or a device is short: the same may succeed later"},
    {EXIT_CODE_INTERRUPTED, "interrupted from the keyboard"},
    {EXIT_CODE_TERMINATED, "told to stop by SIGTERM"},
    {0, NULL},
};

enum exit_code exit_code_of(enum status status) {
    switch (status) {
    case STATUS_OK:
        return EXIT_CODE_DONE;
    case STATUS_USAGE:
        return EXIT_CODE_USAGE;
    case STATUS_DATA:
    case STATUS_UNSUPPORTED:
        return EXIT_CODE_DATA;
    case STATUS_NO_INPUT:
        return EXIT_CODE_NO_INPUT;
    case STATUS_CANNOT_WRITE:
        return EXIT_CODE_CANNOT_WRITE;
    case STATUS_MEMORY:
    case STATUS_DEVICE:
        return EXIT_CODE_RETRY_LATER;
    case STATUS_CANCELLED:
        return EXIT_CODE_INTERRUPTED;
    case STATUS_INTERNAL:
        break;
    }
    return EXIT_CODE_INTERNAL;
}
