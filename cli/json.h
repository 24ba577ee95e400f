/* json.h: a JSON writer.
 *
 *     cli_json json = {.out = out};
 *     cli_json_open(&json, '{');
 *     cli_json_key(&json, "entries");
 *     cli_json_int(&json, 40);
 *     cli_json_close(&json, '}');
 *
 * Strings are UTF-8; bytes that are not become U+FFFD. Floats take the fewest digits that read back
 * to the same value, and always have a point, an exponent or a name, so that they stay floats.
 * What JSON has no number for is written NaN, Infinity and -Infinity, as Python's json does and
 * reads.
 */
#ifndef LADLE_CLI_JSON_H
#define LADLE_CLI_JSON_H

#include "output.h"

__extension__ typedef __int128 cli_int128;

typedef struct cli_json {
    cli_output *out;
    bool comma; /* the next value or key needs one before it */
} cli_json;

void cli_json_open(cli_json *json, char bracket);
void cli_json_close(cli_json *json, char bracket);
/* Starts a line for the next item, so that long arrays can be read, searched and compared. */
void cli_json_line(cli_json *json);
void cli_json_key(cli_json *json, const char *key);
void cli_json_string(cli_json *json, const char *text);
void cli_json_bytes(cli_json *json, const char *data, size_t nbytes);
void cli_json_int(cli_json *json, int64_t value);
void cli_json_uint(cli_json *json, uint64_t value);
void cli_json_int128(cli_json *json, cli_int128 value);
void cli_json_double(cli_json *json, double value);
void cli_json_float(cli_json *json, float value);
void cli_json_bool(cli_json *json, bool value);
void cli_json_null(cli_json *json);

/* A key and its value. */
void cli_json_text(cli_json *json, const char *key, const char *text);
void cli_json_number(cli_json *json, const char *key, int64_t number);

#define CLI_NUMBER_NBYTES 48

/* The same figures as text, terminated. */
void cli_format_int128(cli_int128 value, char out[CLI_NUMBER_NBYTES]);
void cli_format_double(double value, char out[CLI_NUMBER_NBYTES]);
void cli_format_float(float value, char out[CLI_NUMBER_NBYTES]);

#endif
