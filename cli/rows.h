/* rows.h: one row of columns as JSON, those of a record put together.
 *
 * Lists and fixed dimensions are arrays, records objects, tuples arrays, options their value or null, variants the
 * value of their alternative or null, text strings.
 */
#ifndef LADLE_CLI_ROWS_H
#define LADLE_CLI_ROWS_H

#include <ladle/ladle.h>

#include "json.h"

/* A column and what its buffers hold. */
typedef struct cli_column {
    ladle_column_info info;
    int32_t n_named; /* of its members, those that stand in its key and are no objects of the row */
    const void *buffers[LADLE_MAX_BUFFERS];
} cli_column;

/* Whether two columns that follow each other are parts of one value: they have a key in common, and part at a member
 * of a record or variant. */
bool cli_columns_fit(const cli_column *one, const cli_column *other);

/* Writes entry `row` of columns of which each fits the one before. */
void cli_put_row(cli_json *json, const cli_column *columns, int32_t n_columns, int64_t row);

#endif
