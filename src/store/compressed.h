/* store/compressed.h: what tests turn on the compressed store. */
#ifndef LADLE_STORE_COMPRESSED_H
#define LADLE_STORE_COMPRESSED_H

#include <ladle/store.h>

typedef enum ladle_delta_choice {
    LADLE_DELTA_BY_MEASURE = 0,
    LADLE_DELTA_NEVER,
    LADLE_DELTA_ALWAYS /* for every dtype of 4 and 8 bytes */
} ladle_delta_choice;

/* As ladle_store_compressed_create, with chunks of at most `chunk_nbytes`, a multiple of 8; 0: the default. */
ladle_store *ladle_store_compressed_create_tuned(ladle_context *context, const ladle_compressed_options *options,
                                                 ladle_delta_choice delta, int32_t chunk_nbytes, ladle_error *error);

#endif
