#ifndef GRPC_C_SYMBOLS_H
#define GRPC_C_SYMBOLS_H

/*
 * The functions below have short names in C and long ones for the linker, so
 * that a program may have, in files that include none of these headers,
 * functions of the same names. These are no macros: nothing else is renamed.
 */

#pragma redefine_extname buf_append grpc_c_buf_append
#pragma redefine_extname buf_append_format grpc_c_buf_append_format
#pragma redefine_extname buf_append_string grpc_c_buf_append_string
#pragma redefine_extname buf_append_u64be grpc_c_buf_append_u64be
#pragma redefine_extname buf_append_u8 grpc_c_buf_append_u8
#pragma redefine_extname buf_clear grpc_c_buf_clear
#pragma redefine_extname buf_extend grpc_c_buf_extend
#pragma redefine_extname buf_init grpc_c_buf_init
#pragma redefine_extname buf_init_secret grpc_c_buf_init_secret
#pragma redefine_extname buf_reserve grpc_c_buf_reserve
#pragma redefine_extname buf_reset grpc_c_buf_reset
#pragma redefine_extname buf_string grpc_c_buf_string
#pragma redefine_extname buf_take grpc_c_buf_take
#pragma redefine_extname buf_truncate grpc_c_buf_truncate
#pragma redefine_extname buf_wipe grpc_c_buf_wipe
#pragma redefine_extname bytes_compare grpc_c_bytes_compare
#pragma redefine_extname bytes_equal grpc_c_bytes_equal
#pragma redefine_extname bytes_from_string grpc_c_bytes_from_string
#pragma redefine_extname bytes_get_u32be grpc_c_bytes_get_u32be
#pragma redefine_extname bytes_get_u64be grpc_c_bytes_get_u64be
#pragma redefine_extname bytes_put_u32be grpc_c_bytes_put_u32be
#pragma redefine_extname bytes_put_u64be grpc_c_bytes_put_u64be
#pragma redefine_extname status_name grpc_c_status_name

#endif
