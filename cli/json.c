#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void separate(cli_json *json)
{
    if (json->comma) {
        cli_write(json->out, ", ", 2);
    }
    json->comma = true;
}

void cli_json_open(cli_json *json, char bracket)
{
    separate(json);
    cli_putc(json->out, bracket);
    json->comma = false;
}

void cli_json_close(cli_json *json, char bracket)
{
    cli_putc(json->out, bracket);
    json->comma = true;
}

void cli_json_line(cli_json *json)
{
    cli_puts(json->out, json->comma ? ",\n" : "\n");
    json->comma = false;
}

void cli_json_key(cli_json *json, const char *key)
{
    cli_json_string(json, key);
    cli_write(json->out, ": ", 2);
    json->comma = false;
}

static void put_escaped(cli_output *out, unsigned char byte)
{
    switch (byte) {
    case '"': cli_puts(out, "\\\""); break;
    case '\\': cli_puts(out, "\\\\"); break;
    case '\n': cli_puts(out, "\\n"); break;
    case '\r': cli_puts(out, "\\r"); break;
    case '\t': cli_puts(out, "\\t"); break;
    default: cli_printf(out, "\\u%04x", (unsigned)byte);
    }
}

void cli_json_bytes(cli_json *json, const char *data, size_t nbytes)
{
    cli_output *out = json->out;
    separate(json);
    cli_putc(out, '"');
    size_t plain = 0; /* start of the run of bytes that stand for themselves */
    size_t i = 0;
    while (i < nbytes) {
        unsigned char byte = (unsigned char)data[i];
        size_t skip;
        size_t length = cli_utf8_length(data + i, nbytes - i, &skip);
        if (length != 0 && byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7f) {
            i += length;
            continue;
        }
        cli_write(out, data + plain, i - plain);
        if (length == 0) {
            cli_puts(out, "\\ufffd");
            i += skip;
        } else {
            put_escaped(out, byte);
            i += 1;
        }
        plain = i;
    }
    cli_write(out, data + plain, nbytes - plain);
    cli_putc(out, '"');
}

void cli_json_string(cli_json *json, const char *text)
{
    cli_json_bytes(json, text, strlen(text));
}

void cli_json_uint(cli_json *json, uint64_t value)
{
    char digits[20];
    size_t first = sizeof digits;
    separate(json);
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    cli_write(json->out, digits + first, sizeof digits - first);
}

void cli_json_int(cli_json *json, int64_t value)
{
    if (value >= 0) {
        cli_json_uint(json, (uint64_t)value);
        return;
    }
    separate(json);
    cli_putc(json->out, '-');
    json->comma = false;
    cli_json_uint(json, 0 - (uint64_t)value);
}

void cli_json_int128(cli_json *json, cli_int128 value)
{
    char text[CLI_NUMBER_NBYTES];
    cli_format_int128(value, text);
    separate(json);
    cli_puts(json->out, text);
}

void cli_json_double(cli_json *json, double value)
{
    char text[CLI_NUMBER_NBYTES];
    cli_format_double(value, text);
    separate(json);
    cli_puts(json->out, text);
}

void cli_json_float(cli_json *json, float value)
{
    char text[CLI_NUMBER_NBYTES];
    cli_format_float(value, text);
    separate(json);
    cli_puts(json->out, text);
}

void cli_json_bool(cli_json *json, bool value)
{
    separate(json);
    cli_puts(json->out, value ? "true" : "false");
}

void cli_json_null(cli_json *json)
{
    separate(json);
    cli_puts(json->out, "null");
}

void cli_format_int128(cli_int128 value, char out[CLI_NUMBER_NBYTES])
{
    __extension__ typedef unsigned __int128 uint128;
    char digits[40]; /* 2^127 has 39 */
    size_t first = sizeof digits;
    uint128 rest = value < 0 ? (uint128)0 - (uint128)value : (uint128)value;
    do {
        digits[--first] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest != 0);
    size_t used = 0;
    if (value < 0) {
        out[used++] = '-';
    }
    memcpy(out + used, digits + first, sizeof digits - first);
    out[used + sizeof digits - first] = '\0';
}

/* NaN and the infinities by name; false for a finite value. */
static bool format_special(double value, char out[CLI_NUMBER_NBYTES])
{
    if (isfinite(value)) {
        return false;
    }
    const char *name = isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    memcpy(out, name, strlen(name) + 1);
    return true;
}

static void stay_float(char text[CLI_NUMBER_NBYTES])
{
    if (strpbrk(text, ".e") == NULL) {
        strcat(text, ".0"); /* at most 17 digits and a sign before it */
    }
}

/* %g drops trailing zeros, so that a value with 15 (or 6) digits or fewer is found at once: only
 * subnormals, which have fewer digits than that to begin with, are tried from one digit on. */
void cli_format_double(double value, char out[CLI_NUMBER_NBYTES])
{
    if (format_special(value, out)) {
        return;
    }
    int digits = value == 0 || isnormal(value) ? 15 : 1;
    do {
        snprintf(out, CLI_NUMBER_NBYTES, "%.*g", digits, value);
    } while (digits++ < 17 && strtod(out, NULL) != value);
    stay_float(out);
}

void cli_format_float(float value, char out[CLI_NUMBER_NBYTES])
{
    if (format_special((double)value, out)) {
        return;
    }
    int digits = value == 0 || isnormal(value) ? 6 : 1;
    do {
        snprintf(out, CLI_NUMBER_NBYTES, "%.*g", digits, (double)value);
    } while (digits++ < 9 && strtof(out, NULL) != value);
    stay_float(out);
}

void cli_json_text(cli_json *json, const char *key, const char *text)
{
    cli_json_key(json, key);
    cli_json_string(json, text);
}

void cli_json_number(cli_json *json, const char *key, int64_t number)
{
    cli_json_key(json, key);
    cli_json_int(json, number);
}
