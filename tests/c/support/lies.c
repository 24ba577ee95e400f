#include "support/lies.h"

#include "support/check.h"
#include "support/nested.h"

void make_ntuple(opened_ntuple *o, void (*forms)(made_ntuple *t))
{
    memset(o, 0, sizeof *o);
    o->t = malloc(sizeof *o->t);
    assert_non_null(o->t);
    begin_ntuple(o->t, "t");
    forms(o->t);
}

void write_ntuple(opened_ntuple *o)
{
    begin_file(&o->file);
    add_ntuple(&o->file, o->t);
    end_file(&o->file);
}

void open_ntuple(opened_ntuple *o)
{
    write_ntuple(o);
    see_everything(&o->seen, o->file.bytes.data, o->file.bytes.n, NTUPLE_BUDGET);
    assert_string_equal(o->seen.complaint, "");
    assert_int_equal(o->seen.n_tables, 1);
}

void close_ntuple(opened_ntuple *o)
{
    forget_everything(&o->seen);
    assert_string_equal(o->seen.complaint, "");
    free_file(&o->file);
    free_ntuple(o->t);
    free(o->t);
}

const seen_column *column_of(const seen_table *t, const char *name)
{
    for (int32_t i = 0; i < t->n_columns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    return NULL;
}

void assert_buffer(const opened_ntuple *o, const char *name, int buffer, const void *expected, size_t nbytes)
{
    const seen_column *c = column_of(&o->seen.tables[0], name);
    assert_non_null(c);
    assert_string_equal(c->why, "");
    assert_true(buffer < c->array.n_buffers);
    assert_int_equal(ladle_lease_nbytes(c->array.buffers[buffer]), nbytes);
    assert_memory_equal(ladle_lease_data(c->array.buffers[buffer]), expected, nbytes);
}

static bool names(const char *columns, const char *name)
{
    char word[128];
    (void)snprintf(word, sizeof word, " %s ", name);
    return strcmp(columns, "*") == 0 || strstr(columns, word) != NULL;
}

/* 0, or the number of columns that are not what the lie should make of them. */
static int judge_lie(const lie *one, const seen_table *good, const seen_table *told)
{
    int n = 0;
    if ((one->columns == NULL) != (told->table == NULL)) {
        printf("%s: the table %s\n", one->name, told->table == NULL ? "is refused" : "opens");
        return 1;
    }
    for (int32_t i = 0; one->columns != NULL && i < good->n_columns; i++) {
        const seen_column *before = &good->columns[i], *after = column_of(told, before->name);
        bool costs = names(one->columns, before->name);
        if (after == NULL) {
            if (!costs)
                n += printf("%s: column %s is gone\n", one->name, before->name) > 0;
        } else if (costs && one->status != LADLE_OK) {
            if (after->status == LADLE_OK || (one->status != ANY && (int)after->status != one->status) ||
                strstr(after->why, one->words) == NULL)
                n += printf("%s: column %s: %s\n", one->name, before->name,
                            after->status == LADLE_OK ? "is read" : after->why) > 0;
        } else if (!costs && (after->status != LADLE_OK ||
                              !nested_equal(&before->info, &before->array, 0, 8, &after->array, 0))) {
            n += printf("%s: column %s: %s\n", one->name, before->name,
                        after->status == LADLE_OK ? "changed" : after->why) > 0;
        }
    }
    return n;
}

void judge_lies(void (*forms)(made_ntuple *t), const lie *lies, size_t n_lies)
{
    int n_wrong = 0;
    opened_ntuple good;
    make_ntuple(&good, forms);
    open_ntuple(&good);
    for (size_t i = 0; i < n_lies; i++) {
        opened_ntuple told;
        make_ntuple(&told, forms);
        lies[i].tell(told.t);
        write_ntuple(&told);
        see_everything(&told.seen, told.file.bytes.data, told.file.bytes.n, NTUPLE_BUDGET);
        if (told.seen.complaint[0] != '\0')
            n_wrong += printf("%s: %s\n", lies[i].name, told.seen.complaint) > 0;
        assert_int_equal(told.seen.n_tables, 1);
        n_wrong += judge_lie(&lies[i], &good.seen.tables[0], &told.seen.tables[0]);
        if (lies[i].columns == NULL && told.seen.tables[0].table == NULL) {
            ladle_context *context = begin_context();
            ladle_error error = blank_error();
            ladle_file *file = open_made(context, &told.file, &error);
            assert_some(file, error);
            assert_null(ladle_file_table(file, "t", &error));
            if ((int)error.status != lies[i].status || strstr(error.message, lies[i].words) == NULL)
                n_wrong += printf("%s: %s: %s\n", lies[i].name, ladle_status_name(error.status), error.message) > 0;
            ladle_file_release(file);
            end_context(context);
        }
        close_ntuple(&told);
    }
    close_ntuple(&good);
    assert_int_equal(n_wrong, 0);
}
