/* support/check.h: cmocka with the headers it needs, and assertions that print what ladle said. */
#ifndef LADLE_TESTS_CHECK_H
#define LADLE_TESTS_CHECK_H

#include <ladle/ladle.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* cmocka's own looks byte by byte, which is most of the time of tests with large buffers. */
#undef assert_memory_equal
#define assert_memory_equal(a, b, size) check_bytes((a), (b), (size), __FILE__, __LINE__)

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

#define assert_ok(status, error) check_status((int)(status), LADLE_OK, &(error), __FILE__, __LINE__)
#define assert_status(status, expected, error) check_status((int)(status), (expected), &(error), __FILE__, __LINE__)
#define assert_some(pointer, error) check_some((pointer), &(error), __FILE__, __LINE__)
/* The call failed with `expected` and explained itself; `text` (or NULL) is part of the message. */
#define assert_error(error, expected, text) check_error(&(error), (expected), (text), __FILE__, __LINE__)

void check_status(int status, int expected, const ladle_error *error, const char *file, int line);
void check_bytes(const void *a, const void *b, size_t nbytes, const char *file, int line);
void check_some(const void *pointer, const ladle_error *error, const char *file, int line);
void check_error(const ladle_error *error, int expected, const char *text, const char *file, int line);

/* An error of which no field looks like an answer: whoever fails must fill all of it. */
ladle_error blank_error(void);

/* A context; and its release, which first asserts that after a trim nothing is on the ledger. */
ladle_context *begin_context(void);
void end_context(ladle_context *context);

int64_t held_total(ladle_context *context);
int64_t held_of(ladle_context *context, ladle_memory_kind kind);

/* A small generator with the same sequence everywhere. `*state` is not 0. */
uint64_t random_u64(uint64_t *state);
/* 0 <= result < below; below > 0. */
int64_t random_below(uint64_t *state, int64_t below);
void random_fill(uint64_t *state, void *out, size_t nbytes);

/* A real file of the folder LADLE_TESTDATA, or NULL, with a word of it, where it is not there. */
ladle_file *open_test_data(ladle_context *context, const char *name);

/* Open file descriptors of this process. */
int count_fds(void);

#endif
