// What the tests of gctmask train share: a small set and the options of a model that learns a
// little from it in seconds.
#pragma once

// Draws the set once: 12 pictures to learn from and 4 to evaluate on, in $SCRATCH/set.
void train_set(void);

// Runs a line of bash in which $TRAIN stands for "gctmask train" with the set and the model's
// options, without the last --set, and $SMALL for the value of that. $EVAL is "gctmask eval" with
// the set's annotations and images.
//
//     run_train("$TRAIN --set $SMALL,schedule.iterations=4 --out $SCRATCH/run");
//
// Returns the exit code.
int run_train(const char *line);
