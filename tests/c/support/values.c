/* What the columns of made files hold, and the comparison with what was read. */
#include "support/check.h"
#include "support/rootfile.h"

const made_column all_forms[ALL_FORMS] = {
    {"x", MADE_FLAT, 'I', NULL},    {"flag", MADE_FLAT, 'O', NULL},  {"three", MADE_FIXED, 'D', NULL},
    {"n", MADE_COUNTER, 'I', NULL}, {"v", MADE_JAGGED, 'F', "n"},    {"w", MADE_JAGGED, 'S', "n"},
    {"s", MADE_STRING, 'C', NULL},  {"rec", MADE_RECORD, 'D', NULL},
};

size_t made_size(char leaf)
{
    switch (leaf) {
    case 'O':
    case 'B':
    case 'C': return 1;
    case 'S': return 2;
    case 'I':
    case 'F': return 4;
    default: return 8;
    }
}

int64_t made_count(const made_column *column, int64_t i)
{
    switch (column->form) {
    case MADE_JAGGED: return i % 5;
    case MADE_STRING: return i == 9 ? 300 : (i * 3) % 8;
    default: return 1;
    }
}

void expected_offsets(const made_column *column, int64_t start, int64_t stop, int64_t *out)
{
    out[0] = 0;
    for (int64_t i = start; i < stop; i++)
        out[i - start + 1] = out[i - start] + made_count(column, i);
}

/* Repeats often enough for every codec to save bytes. */
static void put_value(bytes *out, char leaf, int64_t i, int64_t k)
{
    int64_t n = i / 3 * 5 + k;
    union {
        uint8_t u8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
    } value = {0};
    switch (leaf) {
    case 'O': value.u8 = n % 3 == 0; break;
    case 'B': value.u8 = (uint8_t)n; break;
    case 'C': value.u8 = (uint8_t)('a' + (i + k) % 26); break;
    case 'S': value.i16 = (int16_t)(n * 7 - 1000); break;
    case 'I': value.i32 = (int32_t)(n * 1001 - 5000); break;
    case 'F': value.f32 = (float)n * 0.25F; break;
    case 'D': value.f64 = (double)n / 3; break;
    default: value.i64 = n << 33; break;
    }
    put(out, &value, made_size(leaf));
}

void expected_data(const made_column *column, int member, int64_t start, int64_t stop, bytes *out)
{
    for (int64_t i = start; i < stop; i++) {
        if (column->form == MADE_COUNTER) {
            int32_t count = (int32_t)(i % 5);
            put(out, &count, sizeof count);
            continue;
        }
        char leaf = column->form == MADE_RECORD ? "DISB"[member] : column->leaf;
        int64_t count = made_count(column, i) * (column->form == MADE_FIXED ? 3 : 1);
        for (int64_t k = 0; k < count; k++)
            put_value(out, leaf, i, k);
    }
}

static void assert_array(const ladle_array *array, const made_column *column, int member, int64_t start, int64_t stop)
{
    bool jagged = column->form == MADE_JAGGED || column->form == MADE_STRING;
    assert_int_equal(array->n_buffers, jagged ? 2 : 1);
    assert_int_equal(array->n_entries, stop - start);
    bytes data = {0};
    expected_data(column, member, start, stop, &data);
    const ladle_lease *values = array->buffers[array->n_buffers - 1];
    assert_int_equal(ladle_lease_nbytes(values), data.n);
    if (data.n > 0)
        assert_memory_equal(ladle_lease_data(values), data.data, data.n);
    bytes_free(&data);
    if (!jagged)
        return;
    int64_t *offsets = malloc((size_t)(stop - start + 1) * sizeof *offsets);
    assert_non_null(offsets);
    expected_offsets(column, start, stop, offsets);
    assert_int_equal(ladle_lease_count(array->buffers[0]), stop - start + 1);
    assert_memory_equal(ladle_lease_data(array->buffers[0]), offsets, (size_t)(stop - start + 1) * sizeof *offsets);
    free(offsets);
}

ladle_status read_expected(ladle_reader *reader, ladle_cache *cache, ladle_table *table, const made_column *column,
                           int64_t start, int64_t stop, ladle_error *error)
{
    for (int member = 0; member < (column->form == MADE_RECORD ? 4 : 1); member++) {
        char name[80];
        (void)snprintf(name, sizeof name, column->form == MADE_RECORD ? "%s.%c" : "%s", column->name, "disb"[member]);
        int32_t index = ladle_table_find(table, name);
        assert_true(index >= 0);
        ladle_array array;
        memset(&array, 0x55, sizeof array);
        ladle_status status = ladle_read_column(reader, cache, table, index, start, stop, &array, error);
        if (status != LADLE_OK) {
            for (int i = 0; i <= LADLE_MAX_DIMS; i++)
                assert_null(array.buffers[i]);
            return status;
        }
        assert_array(&array, column, member, start, stop);
        ladle_array_release(&array);
    }
    return LADLE_OK;
}

void assert_column(ladle_reader *reader, ladle_cache *cache, ladle_table *table, const made_column *column,
                   int64_t start, int64_t stop)
{
    ladle_error error = blank_error();
    assert_ok(read_expected(reader, cache, table, column, start, stop, &error), error);
}
