#ifndef GRPC_C_PRIVATE_SYMBOLS_H
#define GRPC_C_PRIVATE_SYMBOLS_H

/* As symbols.h, for what no public header declares; not installed. */

#pragma redefine_extname clock_monotonic_ms grpc_c_clock_monotonic_ms
#pragma redefine_extname clock_monotonic_us grpc_c_clock_monotonic_us
#pragma redefine_extname clock_wall_ms grpc_c_clock_wall_ms
#pragma redefine_extname secret_wipe grpc_c_secret_wipe

#endif
