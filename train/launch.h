// Several processes of this program on this machine, for users who would rather not type mpirun.
#pragma once

#include "base/error.h"

// Runs this program again as procs processes, which find each other by communicator_open, waits for
// them and gives the code to exit with. argv is this process's own command line; the processes get
// the same and, in front of its options, --threads with an equal share of the processors, which
// holds unless the line says otherwise. communicator_is_launched tells them that they are not to
// launch again.
//
// SIGINT, SIGTERM and SIGHUP, which mpirun would turn into a quick end, reach the processes as
// SIGUSR1 the first time: finish what you are at, and save, or give up. *exit_code is then 128 and
// the signal's number if all ended well or with 128 + SIGINT. A second signal ends them. If this
// process is killed, so are they.
//
// The caller must not have started threads. STATUS_UNSUPPORTED if there is no mpirun.
MUST_CHECK enum status launch(int procs, char *const *argv, int *exit_code, struct error *err);
