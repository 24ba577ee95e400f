/* sum.h: sums that do not depend on the order of their terms.
 *
 * Integers add up in 128 bits. Floats add up exactly, in one wide fixed-point number, and are
 * rounded once at the end: Python's math.fsum gives the same double. A sum in plain doubles would
 * depend on the order and on the compiler, and could not be compared but roughly.
 */
#ifndef LADLE_CLI_SUM_H
#define LADLE_CLI_SUM_H

#include "json.h"

/* Sum of `count` integers or booleans at `data`; `dtype` is none of the float dtypes. */
cli_int128 cli_sum_integers(ladle_dtype dtype, const void *data, int64_t count);

/* One term for each of the 2047 exponents of a finite double, in units of that exponent. Each is
 * below 2^53 times the number of values, so that 2^63 values fit. */
typedef struct cli_float_sum {
    cli_int128 by_exponent[2047];
    bool has_nan, has_infinity, has_minus_infinity;
} cli_float_sum;

/* Sum of `count` floats at `data`, rounded once; `dtype` is F32 or F64. `sum` is scratch. NaN, or
 * infinities of both signs, give NaN; the empty sum is 0. */
double cli_sum_floats(cli_float_sum *sum, ladle_dtype dtype, const void *data, int64_t count);

#endif
