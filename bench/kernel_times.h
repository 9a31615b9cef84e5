// How the time of a training step is spread over the network's operations. Needs the linker's
// --wrap for device_forward, device_backward, conv_run, winograd_run, winograd_weights_gradient and
// conv_columns_gradient, so that the library has no clocks in it.
#pragma once

// Starts anew; stops.
void kernel_times_start(void);
void kernel_times_stop(void);

// To be called after each step in between. What is reported of an operation is the least of all
// steps, as other programs' load can only add to it.
void kernel_times_end_step(void);

// Seconds of a step in forward and backward kernels, the solver's left out. What it takes beside
// them is matching, sampling, targets and bookkeeping.
double kernel_times_forward(void);
double kernel_times_backward(void);

// Prints a line for each operation and shape, the slowest first, then sums by kind of operation:
// times, and the shares of peak_flops (of one second) that convolutions and linear layers get.
// Operations are those of direct convolutions, so that Winograd's may get over 100 %. The backward
// pass of a convolution consists of the gradient of the input ("data"), that of the weights, and
// the rest: ReLU, bias, gate, bringing weights into the kernels' layouts and back.
void kernel_times_print(double peak_flops);
