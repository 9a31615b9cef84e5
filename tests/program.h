// Runs the program as a user does and keeps what it printed.
#pragma once

// What the last run printed on standard output and standard error, cut at the size of the buffers.
extern char program_output[32768];
extern char program_errors[32768];

// Runs a line of bash in which gctmask is the program and $SCRATCH the test's scratch folder, with
// an empty standard input. Returns the exit code, -1 after a signal. Skips the case without bash.
int run_program(const char *line);
