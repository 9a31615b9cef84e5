// Time that passes, for measuring how long something takes.
#pragma once

// Seconds since some moment before the program started; never goes back.
double clock_seconds(void);
