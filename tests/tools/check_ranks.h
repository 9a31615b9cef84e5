// Processes of this machine under mpirun, which have nothing to do with the network.
#pragma once

// Lines of bash in front of others. Open MPI leaks and unloads the modules by whose names that
// could be told; leaks of ours show in runs of one process.
#define RANKS_ENVIRONMENT                                                                          \
    "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1\n"                           \
    "export OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader OMPI_MCA_oob_tcp_if_include=lo\n"             \
    "export ASAN_OPTIONS=detect_leaks=0\n"

// What starts so many processes of the program that follows.
#define MPIRUN(count) "mpirun --bind-to none --map-by slot:OVERSUBSCRIBE -np " #count " "
