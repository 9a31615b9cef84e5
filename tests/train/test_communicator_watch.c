#include "train/communicator_watch.h"

#include <stdio.h>

#include "tests/harness.h"

// A run of three processes, watched by one of them, that may be silent for 20 s and stuck for 30 s.
struct scene {
    struct watch watch;
    struct watch_peer peers[3];
    char places[3][WATCH_PLACE_BYTES];
    double time; // the system's
    int64_t progress;
    struct error verdict;
};

static void open_scene(struct scene *scene, int rank) {
    *scene = (struct scene){
        .places = {"process 1 on a", "process 2 on b", "process 3 on c"},
        .time = 1e6,
    };
    scene->watch = (struct watch){
        .rank = rank,
        .size = 3,
        .silent_seconds = 20,
        .stuck_seconds = 30,
        .peers = scene->peers,
        .places = scene->places,
    };
    watch_start(&scene->watch, scene->time);
}

// A tenth of a second in which this process made progress or not, and waited or not.
static void pass(struct scene *scene, bool moves, bool waits) {
    scene->time += 0.1;
    scene->progress += moves;
    watch_look(&scene->watch, scene->time);
    watch_self(&scene->watch, scene->progress, waits, 0);
}

static void hear(struct scene *scene, int rank, bool waits, double quiet) {
    struct beat beat = {.waiting = waits, .quiet_seconds = quiet, .allowed_seconds = 30};
    watch_hear(&scene->watch, rank, &beat);
}

static bool judge(struct scene *scene) {
    return watch_judge(&scene->watch, &scene->verdict);
}

static void all_is_well(void) {
    struct scene scene;
    open_scene(&scene, 0);
    for (int i = 0; i < 10000; i++) {
        pass(&scene, true, false);
        if (i % 190 == 0) hear(&scene, 1, true, 29); // waits for long, as it may
        if (i % 190 == 0) hear(&scene, 2, false, 29);
        REQUIRE(!judge(&scene));
    }
}

static void silence(void) {
    struct scene scene;
    open_scene(&scene, 0);
    for (int i = 0; i < 1000 && !judge(&scene); i++) {
        pass(&scene, true, false);
        hear(&scene, 1, false, 0);
    }
    EXPECT_INT(scene.verdict.code, STATUS_DEVICE);
    EXPECT_CONTAINS(scene.verdict.message,
                    "rank 2 (process 3 on c) has not been heard of for 20 s");
    EXPECT_NEAR(scene.watch.now, 20, 0.15);
}

// The others watch rank 0, and the first of them speaks well before the second.
static void silence_of_rank_0(void) {
    double ends[3] = {0};
    for (int rank = 1; rank < 3; rank++) {
        struct scene scene;
        open_scene(&scene, rank);
        while (!judge(&scene) && scene.watch.now < 100)
            pass(&scene, true, false);
        EXPECT_CONTAINS(scene.verdict.message, "rank 0 (process 1 on a) has not been heard of");
        ends[rank] = scene.watch.now;
    }
    EXPECT_NEAR(ends[1], 20, 0.15);
    EXPECT(ends[2] > ends[1] + 1);
    EXPECT(ends[2] < 25);
}

// Who does not run cannot hear: an hour of pause is a moment.
static void paused_machine(void) {
    struct scene scene;
    open_scene(&scene, 0);
    for (int i = 0; i < 10; i++) {
        scene.time += 3600;
        pass(&scene, false, false);
        EXPECT(!judge(&scene));
    }
    EXPECT_NEAR(scene.watch.now, 10, 1e-9);
}

static void standing_still(void) {
    struct scene scene;
    open_scene(&scene, 0);
    pass(&scene, true, false);
    hear(&scene, 1, false, 30.5);
    hear(&scene, 2, true, 100);
    EXPECT(judge(&scene));
    EXPECT_CONTAINS(scene.verdict.message, "rank 1 (process 2 on b) is stuck");

    // Rank 0 itself, which ticked at 0.1 s.
    open_scene(&scene, 0);
    pass(&scene, true, false);
    while (!judge(&scene) && scene.watch.now < 100) {
        pass(&scene, false, false);
        hear(&scene, 1, true, 0);
        hear(&scene, 2, true, 0);
    }
    EXPECT_CONTAINS(scene.verdict.message, "rank 0 (process 1 on a) is stuck");
    EXPECT_NEAR(scene.watch.now, 30.1, 0.15);

    // It was allowed to take longer.
    watch_self(&scene.watch, scene.progress, false, 31);
    EXPECT(!judge(&scene));
}

static void waiting_for_each_other(void) {
    struct scene scene;
    open_scene(&scene, 0);
    while (!judge(&scene) && scene.watch.now < 100) {
        pass(&scene, false, true);
        hear(&scene, 1, true, 90);
        hear(&scene, 2, true, scene.watch.now - 10);
    }
    EXPECT_INT(scene.verdict.code, STATUS_INTERNAL);
    EXPECT_CONTAINS(scene.verdict.message, "all 3 processes have waited for each other for 30 s");
    EXPECT_NEAR(scene.watch.now, 40, 0.15);
}

// By what they all wait for it is told whom to blame.
static void sums_on_devices(void) {
    struct scene scene;
    open_scene(&scene, 0);
    for (int i = 0; i < 305; i++) {
        for (int rank = 1; rank < 3; rank++) {
            struct beat beat = {.waiting = true, .summing = rank == 1, .quiet_seconds = i / 10.0};
            watch_hear(&scene.watch, rank, &beat);
        }
        pass(&scene, false, true);
        scene.peers[0].beat.summing = true;
    }
    EXPECT(judge(&scene));
    EXPECT_CONTAINS(scene.verdict.message, "they disagree about what comes next");
    scene.peers[2].beat.summing = true;
    EXPECT(judge(&scene));
    EXPECT_TEXT(scene.verdict.message,
                "all 3 processes have waited for 30 s for a sum over their devices: NCCL, or what "
                "connects the devices, hangs");
    scene.peers[1].beat = (struct beat){.allowed_seconds = 30}; // which goes on
    EXPECT(!judge(&scene));
}

static void beats(void) {
    struct scene scene;
    int count = 0;
    open_scene(&scene, 0);
    for (int i = 0; i < 1000; i++) {
        pass(&scene, true, false);
        count += watch_beat_is_due(&scene.watch);
    }
    EXPECT(count >= 48 && count <= 51); // every two seconds of a hundred
}

int main(int argc, char **argv) {
    return run_cases(argc, argv,
                     (struct test_case[]){
                         {"all_is_well", all_is_well},
                         {"silence", silence},
                         {"silence_of_rank_0", silence_of_rank_0},
                         {"paused_machine", paused_machine},
                         {"standing_still", standing_still},
                         {"waiting_for_each_other", waiting_for_each_other},
                         {"sums_on_devices", sums_on_devices},
                         {"beats", beats},
                         {0},
                     });
}
