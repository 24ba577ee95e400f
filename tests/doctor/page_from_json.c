/* page_from_json < report.json > report.html: the page that `ladle doctor --out` writes, of any JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_page.h"

int main(void)
{
    size_t size = 1 << 20, nbytes = 0;
    char *json = malloc(size);
    while (json != NULL) {
        nbytes += fread(json + nbytes, 1, size - nbytes, stdin);
        if (nbytes < size) {
            break;
        }
        size *= 2;
        char *larger = realloc(json, size);
        if (larger == NULL) {
            free(json);
        }
        json = larger;
    }
    if (json == NULL || ferror(stdin)) {
        fprintf(stderr, "page_from_json: standard input cannot be read: %s\n", strerror(errno));
        free(json);
        return 1;
    }
    cli_output *out = malloc(sizeof *out);
    if (out == NULL) {
        free(json);
        return 1;
    }
    cli_output_init(out, 1);
    cli_doctor_page(out, json, nbytes);
    cli_flush(out);
    bool failed = cli_output_failed(out);
    free(out);
    free(json);
    return failed ? 1 : 0;
}
