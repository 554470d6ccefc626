#ifndef PEYK_TESTS_FUZZ_H
#define PEYK_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* What libFuzzer, or driver.c, calls with each input. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that no input may break. */
#define FUZZ_CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
			    #condition); \
			abort(); \
		} \
	} while (0)

/*
 * The first byte of an input says how deep the rest goes: nothing but valid
 * keys gets an input past decryption and signatures, so the targets encrypt
 * and sign it themselves.
 */
enum fuzz_layer {
	FUZZ_LAYER_ENVELOPE,  /* the rest is the envelope */
	FUZZ_LAYER_PLAINTEXT, /* what is encrypted */
	FUZZ_LAYER_CONTENT,   /* what is signed and encrypted */
	FUZZ_LAYER_COUNT,
};

#endif
