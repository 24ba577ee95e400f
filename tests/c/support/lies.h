/* support/lies.h: RNTuples made by hand (support/rntuple_file.h), opened and read completely; and what lies in them
 * may cost.
 */
#ifndef LADLE_TESTS_LIES_H
#define LADLE_TESTS_LIES_H

#include "fuzz/everything.h"
#include "support/rntuple_file.h"

enum { NTUPLE_BUDGET = 64 << 20 };

typedef struct opened_ntuple {
    made_ntuple *t;
    made_file file;
    everything seen;
} opened_ntuple;

/* An RNTuple "t" of these forms, which may still be changed; then in a file, and read; and all of it released. */
void make_ntuple(opened_ntuple *o, void (*forms)(made_ntuple *t));
void write_ntuple(opened_ntuple *o);
void open_ntuple(opened_ntuple *o);
void close_ntuple(opened_ntuple *o);

const seen_column *column_of(const seen_table *t, const char *name);

void assert_buffer(const opened_ntuple *o, const char *name, int buffer, const void *expected, size_t nbytes);

#define ASSERT_BUFFER(o, name, buffer, type, ...) \
    assert_buffer(o, name, buffer, (type[]){__VA_ARGS__}, sizeof(type[]){__VA_ARGS__})

enum { ANY = -1 };

typedef struct lie {
    const char *name;
    void (*tell)(made_ntuple *t);
    const char *columns; /* that it costs, each between spaces; NULL: the table */
    int status;          /* LADLE_OK: harmless, but for the values of these columns; ANY: they fail differently */
    const char *words;   /* in the message */
} lie;

/* A lie of one statement. */
#define TELL(name, ...)              \
    static void name(made_ntuple *t) \
    {                                \
        __VA_ARGS__;                 \
    }

/* Each of them, told about RNTuples of these forms, costs the columns that it names, with its words, and no other. */
void judge_lies(void (*forms)(made_ntuple *t), const lie *lies, size_t n_lies);

#endif
