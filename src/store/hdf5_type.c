#include "store/hdf5_type.h"

#include "base/bytes.h"
#include "base/checked.h"

#include <stdio.h>
#include <string.h>

/* What HDF5 can say of the size of an element: 32 bits. */
#define MAX_ELEMENT_NBYTES INT32_MAX

static ladle_hdf5_type plain_type(ladle_dtype dtype, int64_t count)
{
    ladle_hdf5_type type = {
        .size = (int64_t)ladle_dtype_size(dtype), .big_endian = LADLE_BIG_ENDIAN_HOST, .rank = 1, .shape = {count}};
    switch (dtype) {
    case LADLE_DTYPE_BOOL: type.class = LADLE_HDF5_BOOL; break;
    case LADLE_DTYPE_I8:
    case LADLE_DTYPE_I16:
    case LADLE_DTYPE_I32:
    case LADLE_DTYPE_I64: type.class = LADLE_HDF5_INTEGER; break;
    case LADLE_DTYPE_F32:
    case LADLE_DTYPE_F64: type.class = LADLE_HDF5_FLOAT; break;
    default: type.class = LADLE_HDF5_UNSIGNED; break;
    }
    return type;
}

/* A decimal number that ends at `end` or at another character; -1 if there is none, or it is too large. */
static int64_t parse_number(const char **at, const char *end)
{
    int64_t value = 0;
    const char *begin = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        if (!ladle_multiply(value, 10, &value) || !ladle_add(value, **at - '0', &value))
            return -1;
    return *at == begin ? -1 : value;
}

/* Fills rank and shape. *count is the number of elements. False where it is not a shape, or too much for HDF5. */
static bool parse_shape(const char *at, const char *end, ladle_hdf5_type *type, int64_t *count)
{
    type->rank = 0;
    *count = 1;
    if (at == end)
        return true;
    for (;;) {
        int64_t extent = parse_number(&at, end);
        if (extent < 0 || type->rank == LADLE_HDF5_MAX_RANK || !ladle_multiply(*count, extent, count))
            return false;
        type->shape[type->rank++] = extent;
        if (at == end)
            return true;
        if (*at++ != ',')
            return false;
    }
}

/* "[s]", "[25us]", or nothing. */
static bool is_time_unit(const char *at, const char *end)
{
    static const char *const units[] = {"Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"};
    if (at == end)
        return true;
    if (end - at < 3 || end - at > 16 || *at != '[' || end[-1] != ']')
        return false;
    at++;
    end--;
    (void)parse_number(&at, end);
    size_t nbytes = (size_t)(end - at);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i]) == nbytes && memcmp(units[i], at, nbytes) == 0)
            return true;
    return false;
}

/* A simple numpy type string such as "<i2". False where it is anything else. */
static bool parse_simple(const char *text, const char *end, ladle_hdf5_type *type)
{
    const char *at = text;
    if (end - text < 2 || end - text > 40)
        return false;
    type->big_endian = LADLE_BIG_ENDIAN_HOST;
    if (*at == '<' || *at == '>')
        type->big_endian = *at++ == '>';
    else if (*at == '|' || *at == '=')
        at++;
    if (end - at < 2)
        return false;
    char kind = *at++;
    int64_t size = parse_number(&at, end);
    bool is_time = kind == 'M' || kind == 'm';
    if (size <= 0 || size > MAX_ELEMENT_NBYTES || !(is_time ? is_time_unit(at, end) : at == end))
        return false;
    type->size = size;
    type->class = LADLE_HDF5_OPAQUE;
    type->tag[0] = '\0';
    bool tagged = false, ok = false;
    switch (kind) {
    case 'b': type->class = LADLE_HDF5_BOOL; return size == 1;
    case 'i':
    case 'u':
        type->class = kind == 'i' ? LADLE_HDF5_INTEGER : LADLE_HDF5_UNSIGNED;
        return size == 1 || size == 2 || size == 4 || size == 8;
    case 'f':
        type->class = size <= 8 ? LADLE_HDF5_FLOAT : LADLE_HDF5_OPAQUE;
        tagged = ok = size == 16;
        if (!ok)
            return size == 2 || size == 4 || size == 8;
        break;
    case 'c':
        type->class = size <= 16 ? LADLE_HDF5_COMPLEX : LADLE_HDF5_OPAQUE;
        tagged = ok = size == 32;
        if (!ok)
            return size == 8 || size == 16;
        break;
    case 'S': type->class = LADLE_HDF5_STRING; return true;
    case 'M':
    case 'm': tagged = ok = size == 8; break;
    case 'U':
        tagged = ok = size <= MAX_ELEMENT_NBYTES / 4;
        type->size = 4 * size;
        break;
    case 'V': return true;
    default: return false;
    }
    if (tagged)
        (void)snprintf(type->tag, sizeof type->tag, "NUMPY:%.*s", (int)(end - text), text);
    return ok;
}

ladle_hdf5_type ladle_hdf5_type_of(ladle_dtype dtype, int64_t count, const char *layout, size_t layout_nbytes)
{
    ladle_hdf5_type plain = plain_type(dtype, count), type = {0};
    const char *bar = layout_nbytes == 0 ? NULL : memrchr(layout, '|', layout_nbytes);
    if (bar == NULL)
        return plain;
    int64_t elements, nbytes = count * plain.size, product;
    if (!parse_shape(bar + 1, layout + layout_nbytes, &type, &elements))
        return plain;
    if (parse_simple(layout, bar, &type))
        return ladle_multiply(elements, type.size, &product) && product == nbytes ? type : plain;
    type.class = LADLE_HDF5_OPAQUE;
    type.tag[0] = '\0';
    type.size = elements == 0 ? 1 : nbytes / elements;
    bool fits = type.size > 0 && type.size <= MAX_ELEMENT_NBYTES && type.size * elements == nbytes;
    return fits ? type : plain;
}
