// A shared object that is no CUDA module.
int gctmask_no_backend(void);

int gctmask_no_backend(void) {
    return 0;
}
