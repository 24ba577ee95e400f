/* libFuzzer: any bytes as a ROOT file, read completely, under the promises of everything.h. */
#include "fuzz/everything.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
    everything e;
    see_everything(&e, data, nbytes, 64 << 20);
    forget_everything(&e);
    if (e.complaint[0] != '\0') {
        fprintf(stderr, "%s\n", e.complaint);
        abort();
    }
    return 0;
}
