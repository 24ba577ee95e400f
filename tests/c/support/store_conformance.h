/* support/store_conformance.h: what every store promises to the cache above it. */
#ifndef LADLE_TESTS_STORE_CONFORMANCE_H
#define LADLE_TESTS_STORE_CONFORMANCE_H

#include <ladle/store.h>

#include "memory/lease.h"

/* Makes a store; its own `release` frees it. */
typedef ladle_store *(*make_store)(ladle_context *context);

/* Asserts what ladle/store.h says of stores. */
void assert_conforms(make_store make);

#endif
