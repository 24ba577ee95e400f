#include "codec/elements.h"
#include "base/little.h"
#include <string.h>
const char *ladle_element_name(uint16_t e)
{
    (void)e;
    return "x";
}
static const uint8_t bits[] = {1,  8,  8,  8,  8,  16, 16, 32, 32, 64, 64, 16, 32, 64, 32,
                               64, 96, 16, 16, 32, 32, 64, 64, 16, 32, 64, 32, 64, 0,  0};
bool ladle_encoding_is_valid(const ladle_encoding *e)
{
    if (e->element >= 30 || e->element == 0x17)
        return false;
    if (e->element == 28)
        return e->bits >= 10 && e->bits <= 31;
    if (e->element == 29)
        return e->bits >= 1 && e->bits <= 32;
    return bits[e->element] == e->bits;
}
bool ladle_elements_nbytes(const ladle_encoding *e, int64_t c, int64_t *n)
{
    *n = (c * e->bits + 7) / 8;
    return true;
}
static const uint8_t dt[] = {LADLE_DTYPE_BOOL,
                             LADLE_DTYPE_U8,
                             LADLE_DTYPE_U8,
                             LADLE_DTYPE_I8,
                             LADLE_DTYPE_U8,
                             LADLE_DTYPE_I16,
                             LADLE_DTYPE_U16,
                             LADLE_DTYPE_I32,
                             LADLE_DTYPE_U32,
                             LADLE_DTYPE_I64,
                             LADLE_DTYPE_U64,
                             LADLE_DTYPE_F32,
                             LADLE_DTYPE_F32,
                             LADLE_DTYPE_F64,
                             0,
                             0,
                             0,
                             LADLE_DTYPE_I16,
                             LADLE_DTYPE_U16,
                             LADLE_DTYPE_I32,
                             LADLE_DTYPE_U32,
                             LADLE_DTYPE_I64,
                             LADLE_DTYPE_U64,
                             LADLE_DTYPE_F32,
                             LADLE_DTYPE_F32,
                             LADLE_DTYPE_F64,
                             0,
                             0,
                             LADLE_DTYPE_F32,
                             LADLE_DTYPE_F32};
ladle_dtype ladle_element_dtype(uint16_t e)
{
    return e < 30 ? (ladle_dtype)dt[e] : LADLE_DTYPE_NONE;
}
bool ladle_element_converts(uint16_t e, ladle_dtype d)
{
    return d != 0 && e < 30 &&
           (dt[e] == d || (d == LADLE_DTYPE_F64 && dt[e] == LADLE_DTYPE_F32) ||
            ladle_dtype_size((ladle_dtype)dt[e]) == ladle_dtype_size(d));
}
bool ladle_element_is_plain(uint16_t e, ladle_dtype d)
{
    return e >= 1 && e <= 13 && e != 11 && ladle_dtype_size(d) * 8 == bits[e] && d != LADLE_DTYPE_BOOL;
}
static uint64_t get(const ladle_encoding *e, const uint8_t *p, int64_t c, int64_t i)
{
    int n = e->bits / 8;
    uint64_t v = 0;
    bool split = e->element >= 17 && e->element <= 27;
    if (e->element == 0)
        return p[i / 8] >> (i % 8) & 1;
    if (e->element >= 28) {
        for (int b = 0; b < e->bits; b++) {
            int64_t k = i * e->bits + b;
            v |= (uint64_t)(p[k / 8] >> (k % 8) & 1) << b;
        }
        return v;
    }
    for (int k = 0; k < n; k++)
        v |= (uint64_t)(split ? p[k * c + i] : p[i * n + k]) << 8 * k;
    return v;
}
void ladle_elements_decode(const ladle_encoding *e, ladle_dtype d, void *to, const uint8_t *p, int64_t c, int64_t s,
                           int64_t t)
{
    uint8_t *o = to;
    size_t z = ladle_dtype_size(d);
    for (int64_t i = 0; i < t; i++) {
        uint64_t v = get(e, p, c, s + i);
        if (e->element == 17 || e->element == 19 || e->element == 21)
            v = (v >> 1) ^ -(v & 1);
        if (dt[e->element] == LADLE_DTYPE_F32) {
            float f;
            uint32_t w = (uint32_t)v;
            if (e->element == 28)
                w <<= 32 - e->bits;
            memcpy(&f, &w, 4);
            if (e->element == 29)
                f = (float)(e->minimum + (double)v * (e->maximum - e->minimum) / (double)((1ull << e->bits) - 1));
            if (e->element == 11 || e->element == 23) {
                _Float16 h;
                uint16_t q = (uint16_t)v;
                memcpy(&h, &q, 2);
                f = (float)h;
            }
            if (d == LADLE_DTYPE_F64) {
                double g = f;
                memcpy(o + 8 * i, &g, 8);
            } else
                memcpy(o + 4 * i, &f, 4);
        } else {
            if (d == LADLE_DTYPE_BOOL)
                v = v != 0;
            memcpy(o + z * i, &v, z);
        }
    }
}
bool ladle_elements_ends(const ladle_encoding *e, int64_t *to, const uint8_t *p, int64_t c, int64_t s, int64_t t,
                         int64_t base, int64_t before, int64_t most, int64_t *last)
{
    uint64_t v = 0;
    bool ok = true;
    *last = before;
    bool delta = e->element >= 26;
    for (int64_t i = 0; i < s + t; i++) {
        uint64_t x = get(e, p, c, i);
        v = delta ? v + x : x;
        if (e->bits == 32 && delta)
            v &= 0xffffffffu;
        if (i >= s) {
            ok = ok && v <= (uint64_t)most && (int64_t)v >= *last;
            *last = (int64_t)v;
            to[i - s] = (int64_t)(v + (uint64_t)base);
        }
    }
    return ok;
}
int64_t ladle_elements_switch(int8_t *tags, int64_t *places, const uint8_t *p, int64_t s, int64_t t, int n,
                              const int64_t *b, const int64_t *z)
{
    for (int64_t i = 0; i < t; i++) {
        uint64_t x = ladle_load_le(p + 12 * (s + i), 8), g = ladle_load_le(p + 12 * (s + i) + 8, 4);
        if (g > (uint64_t)n || (g > 0 && x >= (uint64_t)z[g - 1]))
            return i;
        if (tags)
            tags[i] = (int8_t)g;
        if (places)
            places[i] = g ? (int64_t)x + b[g - 1] : 0;
    }
    return -1;
}
