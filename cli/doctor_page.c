/* doctor_page.c: the JSON of a diagnosis, put into the page that draws it. */
#include "doctor_page.h"

#include <stdint.h>
#include <string.h>

/* What JSON may have in a string and a script element may not, each as JSON's own escape: outside of strings JSON has
 * none of them. "<" begins "</script>" and "<!--"; the line separators end a line in old scripts; a NUL is no JSON at
 * all, and no HTML. NULL: the character may stay. */
static const char *escape_of(const char *text, size_t length)
{
    if (length == 1) {
        return *text == '<' ? "\\u003c" : *text == '>' ? "\\u003e" : *text == '\0' ? "\\ufffd" : NULL;
    }
    if (length == 3 && memcmp(text, "\xe2\x80\xa8", 3) == 0) {
        return "\\u2028";
    }
    if (length == 3 && memcmp(text, "\xe2\x80\xa9", 3) == 0) {
        return "\\u2029";
    }
    return NULL;
}

static void put_json(cli_output *out, const char *json, size_t nbytes)
{
    size_t kept = 0; /* what is before it has been written */
    size_t at = 0;
    while (at < nbytes) {
        size_t skip;
        size_t length = cli_utf8_length(json + at, nbytes - at, &skip);
        const char *escape = length == 0 ? "\\ufffd" : escape_of(json + at, length);
        size_t next = at + (length == 0 ? skip : length);
        if (escape != NULL) {
            cli_write(out, json + kept, at - kept);
            cli_puts(out, escape);
            kept = next;
        }
        at = next;
    }
    cli_write(out, json + kept, nbytes - kept);
}

void cli_doctor_page(cli_output *out, const char *json, size_t nbytes)
{
    cli_write(out, cli_doctor_page_head, cli_doctor_page_head_nbytes);
    put_json(out, json, nbytes);
    cli_write(out, cli_doctor_page_tail, cli_doctor_page_tail_nbytes);
}
