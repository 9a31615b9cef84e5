// Always-on checks for programmer errors: a wrong shape from our own code, a broken invariant.
// They stay in release builds, print the expression and its place, and abort. <assert.h> is not
// used anywhere, because its checks vanish with NDEBUG.
#pragma once

#define CHECK(expr) ((expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__, __func__))

__attribute__((noreturn, cold)) void check_failed(const char *expression, const char *file,
                                                  int line, const char *function);
