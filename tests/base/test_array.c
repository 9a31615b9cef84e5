#include "base/array.h"

#include "tests/harness.h"

struct numbers {
    int64_t *items;
    int64_t capacity;
    int64_t count;
};

static void grows_and_keeps(void) {
    struct numbers numbers = {0};
    struct error err = {0};
    int64_t reallocations = 0;
    for (int64_t i = 0; i < 100000; i++) {
        int64_t before = numbers.capacity;
        REQUIRE(array_reserve(&numbers.items, &numbers.capacity, numbers.count + 1,
                              sizeof *numbers.items, &err) == STATUS_OK);
        reallocations += numbers.capacity != before;
        numbers.items[numbers.count++] = i * i;
    }
    int64_t wrong = 0;
    for (int64_t i = 0; i < numbers.count; i++)
        wrong += numbers.items[i] != i * i;
    EXPECT_INT(wrong, 0);
    EXPECT(reallocations < 30); // grows by a factor
    array_shrink(&numbers.items, &numbers.capacity, numbers.count, sizeof *numbers.items);
    EXPECT_INT(numbers.capacity, numbers.count);
    EXPECT_INT(numbers.items[99999], INT64_C(99999) * 99999);
    array_free(&numbers.items);
    EXPECT(!numbers.items);
}

static void one_big_step(void) {
    struct numbers numbers = {0};
    struct error err = {0};
    EXPECT_OK(array_reserve(&numbers.items, &numbers.capacity, 0, 8, &err), &err);
    EXPECT(!numbers.items);
    EXPECT_OK(array_reserve(&numbers.items, &numbers.capacity, 1000, 8, &err), &err);
    EXPECT_INT(numbers.capacity, 1000);
    const int64_t *place = numbers.items;
    EXPECT_OK(array_reserve(&numbers.items, &numbers.capacity, 999, 8, &err), &err);
    EXPECT(numbers.items == place);
    array_shrink(&numbers.items, &numbers.capacity, 0, 8);
    array_free(&numbers.items);
    array_free(&numbers.items);
}

static void failure_changes_nothing(void) {
    struct numbers numbers = {0};
    struct error err = {0};
    EXPECT_OK(array_reserve(&numbers.items, &numbers.capacity, 3, 8, &err), &err);
    numbers.items[2] = 7;
    const struct numbers before = numbers;
    EXPECT_STATUS(array_reserve(&numbers.items, &numbers.capacity, INT64_MAX, 8, &err),
                  STATUS_MEMORY, &err);
    EXPECT_CONTAINS(err.message, "not enough memory for an array");
    EXPECT_STATUS(array_reserve(&numbers.items, &numbers.capacity, INT64_MAX / 8 + 1, 8, &err),
                  STATUS_MEMORY, &err);
    EXPECT(numbers.items == before.items && numbers.items[2] == 7);
    EXPECT_INT(numbers.capacity, before.capacity);
    array_free(&numbers.items);
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"grows_and_keeps", grows_and_keeps},
                         {"one_big_step", one_big_step},
                         {"failure_changes_nothing", failure_changes_nothing},
                         {0},
                     });
}
