/* One leaf -> dtype, dimensions and how its values lie on disk. */
#include "root/tree.h"

#include "base/checked.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TITLE = 512, FLOAT16_BITS = 12 };

static const struct {
    uint8_t dtype, unsigned_dtype;
    uint8_t disk_size;
    uint8_t decoding;
} classes[] = {
    [LADLE_LEAF_O] = {LADLE_DTYPE_BOOL, LADLE_DTYPE_BOOL, 1, LADLE_DECODE_COPY},
    [LADLE_LEAF_B] = {LADLE_DTYPE_I8, LADLE_DTYPE_U8, 1, LADLE_DECODE_COPY},
    [LADLE_LEAF_S] = {LADLE_DTYPE_I16, LADLE_DTYPE_U16, 2, LADLE_DECODE_SWAP},
    [LADLE_LEAF_I] = {LADLE_DTYPE_I32, LADLE_DTYPE_U32, 4, LADLE_DECODE_SWAP},
    [LADLE_LEAF_L] = {LADLE_DTYPE_I64, LADLE_DTYPE_U64, 8, LADLE_DECODE_SWAP},
    [LADLE_LEAF_G] = {LADLE_DTYPE_I64, LADLE_DTYPE_U64, 8, LADLE_DECODE_SWAP},
    [LADLE_LEAF_F] = {LADLE_DTYPE_F32, LADLE_DTYPE_F32, 4, LADLE_DECODE_SWAP},
    [LADLE_LEAF_D] = {LADLE_DTYPE_F64, LADLE_DTYPE_F64, 8, LADLE_DECODE_SWAP},
    [LADLE_LEAF_C] = {LADLE_DTYPE_U8, LADLE_DTYPE_U8, 1, LADLE_DECODE_COPY},
    [LADLE_LEAF_D32] = {LADLE_DTYPE_F64, LADLE_DTYPE_F64, 4, LADLE_DECODE_WIDEN},
    [LADLE_LEAF_F16] = {LADLE_DTYPE_F32, LADLE_DTYPE_F32, 3, LADLE_DECODE_SHORT},
};

/* One side of a Double32_t range: a number, or a multiple of pi ("-pi", "2*pi", "pi/2", "twopi") as
 * TStreamerElement's GetRange reads it. False if it is neither. */
static bool parse_bound(const char *text, double *value)
{
    static const double pi = 3.14159265358979323846;
    char plain[64];
    size_t n = 0;
    for (; *text != '\0' && n + 1 < sizeof plain; text++)
        if (*text != ' ')
            plain[n++] = *text;
    plain[n] = '\0';
    const char *at = plain;
    double sign = 1;
    if (*at == '-') {
        sign = -1;
        at++;
    }
    if (strstr(at, "pi") == NULL) {
        char *end;
        *value = sign * strtod(at, &end);
        return end != at && *end == '\0';
    }
    static const struct {
        const char *word;
        double factor;
    } words[] = {{"2pi", 2}, {"2*pi", 2}, {"twopi", 2}, {"pi/2", 0.5}, {"pi/4", 0.25}, {"pi", 1}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(at, words[i].word) == 0) {
            *value = sign * words[i].factor * pi;
            return true;
        }
    return false;
}

/* Reads "[min,max]" or "[min,max,bits]" between `open` and `close`. ROOT: TStreamerElement.cxx, GetRange. */
static bool parse_range(const char *open, const char *close, double *minimum, double *maximum, int *bits)
{
    char text[128];
    size_t n = (size_t)(close - open - 1);
    if (n >= sizeof text)
        return false;
    memcpy(text, open + 1, n);
    text[n] = '\0';
    char *second = strchr(text, ',');
    if (second == NULL)
        return false;
    *second++ = '\0';
    char *third = strchr(second, ',');
    *bits = 32;
    if (third != NULL) {
        *third++ = '\0';
        long given = strtol(third, NULL, 10);
        if (given >= 2 && given <= 32)
            *bits = (int)given;
    }
    return parse_bound(text, minimum) && parse_bound(second, maximum);
}

/* Chooses the decoding of a Double32_t or Float16_t. */
static void apply_range(const char *open, const char *close, bool is_float16, ladle_tree_column *layout)
{
    double minimum, maximum;
    int bits;
    if (!parse_range(open, close, &minimum, &maximum, &bits))
        return;
    if (minimum < maximum) {
        double steps = bits < 32 ? (double)(UINT32_C(1) << bits) : (double)UINT32_C(0xFFFFFFFF);
        layout->decoding = LADLE_DECODE_SCALED;
        layout->disk_size = 4;
        layout->factor = steps / (maximum - minimum);
        layout->minimum = minimum;
    } else if (bits < 15) {
        layout->decoding = LADLE_DECODE_SHORT;
        layout->disk_size = 3;
        layout->bits = bits;
    } else if (is_float16) {
        layout->bits = FLOAT16_BITS;
    }
}

/* Reads the brackets of a leaf's title: fixed dimensions, and a range where there is one. */
static int parse_title(const char *title, bool has_range, bool is_float16, int64_t *dims, ladle_tree_column *layout)
{
    int n = 0;
    const char *open = strchr(title, '[');
    while (open != NULL) {
        const char *close = strchr(open, ']');
        if (close == NULL)
            break;
        char *end;
        long long size = strtoll(open + 1, &end, 10);
        if (end == close && size > 0 && n < LADLE_MAX_DIMS - 1)
            dims[n++] = size;
        else if (has_range && memchr(open, ',', (size_t)(close - open)) != NULL)
            apply_range(open, close, is_float16, layout);
        open = strchr(close, '[');
    }
    return n;
}

static void refuse(ladle_column *column, const char *reason)
{
    column->reason = reason;
    column->reason_status = LADLE_UNSUPPORTED;
    column->dtype = LADLE_DTYPE_NONE;
    column->n_dims = 0;
    column->n_buffers = 0;
}

ladle_status ladle_leaf_describe(ladle_arena *arena, const ladle_leaf *leaf, ladle_column *column,
                                 ladle_tree_column *layout, ladle_error *error)
{
    column->counter = -1;
    column->inner = 1;
    if (leaf->class_id == LADLE_LEAF_OTHER) {
        refuse(column, "a leaf of a class that is not read");
        return LADLE_OK;
    }
    column->dtype = leaf->is_unsigned ? classes[leaf->class_id].unsigned_dtype : classes[leaf->class_id].dtype;
    layout->decoding = (ladle_decoding)classes[leaf->class_id].decoding;
    layout->disk_size = classes[leaf->class_id].disk_size;
    layout->bits = FLOAT16_BITS;
    char title[MAX_TITLE];
    size_t n = leaf->title.nbytes < sizeof title ? leaf->title.nbytes : sizeof title - 1;
    memcpy(title, leaf->title.data, n);
    title[n] = '\0';

    int64_t fixed[LADLE_MAX_DIMS];
    bool is_float16 = leaf->class_id == LADLE_LEAF_F16;
    int n_fixed = parse_title(title, is_float16 || leaf->class_id == LADLE_LEAF_D32, is_float16, fixed, layout);
    int64_t product = 1;
    for (int i = 0; i < n_fixed; i++)
        if (!ladle_multiply(product, fixed[i], &product))
            product = 0;
    /* fLen is what ROOT goes by; the title only says how it is divided. */
    int64_t len = leaf->len <= 0 ? 1 : leaf->len;
    if (product != len) {
        fixed[0] = len;
        n_fixed = len > 1 ? 1 : 0;
    }
    bool is_string = leaf->class_id == LADLE_LEAF_C;
    if (is_string && leaf->counter != 0) {
        refuse(column, "an array of strings, which is not read");
        return LADLE_OK;
    }
    if (is_string)
        n_fixed = 0;
    bool jagged = is_string || leaf->counter != 0;
    int64_t *dims = ladle_arena_alloc(arena, n_fixed + 1, sizeof *dims, error);
    if (dims == NULL)
        return (ladle_status)error->status;
    if (jagged)
        dims[0] = LADLE_VAR;
    memcpy(dims + (jagged ? 1 : 0), fixed, (size_t)n_fixed * sizeof *dims);
    column->dims = dims;
    column->n_dims = (uint8_t)(n_fixed + (jagged ? 1 : 0));
    column->n_buffers = jagged ? 2 : 1;
    column->lists = jagged ? LADLE_LISTS_GATHERED : LADLE_LISTS_NONE;
    column->is_string = is_string;
    column->inner = is_string ? 1 : len;
    return LADLE_OK;
}
