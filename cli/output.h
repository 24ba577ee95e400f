/* output.h: buffered standard output whose errors are not lost, and text fit for a terminal. */
#ifndef LADLE_CLI_OUTPUT_H
#define LADLE_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ladle/base.h>

#define CLI_OUTPUT_NBYTES 65536

/* After the first failed write all later ones do nothing: check once per row, chunk or run. */
typedef struct cli_output {
    int descriptor; /* -1: into memory */
    int os_errno;   /* of the first failed write; 0: none */
    char *kept;     /* owned; what was written into memory */
    size_t kept_nbytes, kept_capacity;
    size_t used;
    char buffer[CLI_OUTPUT_NBYTES];
} cli_output;

void cli_output_init(cli_output *out, int descriptor);

/* Output that is kept in memory. Release it in any case; os_errno is ENOMEM where it did not fit. */
void cli_output_init_memory(cli_output *out);
void cli_output_release(cli_output *out);

void cli_write(cli_output *out, const char *data, size_t nbytes);
void cli_puts(cli_output *out, const char *text);
void cli_putc(cli_output *out, char character);
void cli_printf(cli_output *out, const char *format, ...) LADLE_PRINTF(2, 3);
void cli_flush(cli_output *out);

/* Nobody wants more output, or none can be stored: stop the work. */
bool cli_output_failed(const cli_output *out);

/* Writes text from a file: control characters and bytes that are not UTF-8 become \xNN, so that it
 * can neither break a line nor drive the terminal. Pads with spaces to `width` characters. */
void cli_put_text(cli_output *out, const char *text, size_t width);

/* Copies `text` as cli_put_text writes it into `out`, cut to `size` bytes, always terminated. */
void cli_visible(const char *text, char *out, size_t size);

/* Characters that cli_put_text writes for `text`. */
size_t cli_text_width(const char *text);

/* Bytes of the UTF-8 character at `text`, or 0 where there is none: then *skip is how many bytes
 * one replacement stands for (Unicode's "maximal subpart", as Python's errors="replace"). */
size_t cli_utf8_length(const char *text, size_t nbytes, size_t *skip);

#endif
