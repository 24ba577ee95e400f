/* libFuzzer: any bytes as a ROOT file, read completely, under the promises of everything.h.
 *
 * Of two mutants one has the checksums of its RNTuples computed again, so that what is behind them is reached. */
#include "fuzz/everything.h"
#include "fuzz/seals.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t nbytes, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t nbytes, size_t most);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t nbytes, size_t most, unsigned seed)
{
    nbytes = LLVMFuzzerMutate(data, nbytes, most);
    if (seed % 2 == 0)
        seal_loosely(data, nbytes);
    return nbytes;
}

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
