/* What the judge found, and how it is told. */
#ifndef LADLE_DOCTOR_JUDGE_H
#define LADLE_DOCTOR_JUDGE_H

#include "doctor/evidence.h"

/* Which of several ways led to a verdict. */
typedef enum ladle_reason {
    LADLE_REASON_NONE = 0,
    LADLE_REASON_SHORT,      /* not enough: few samples, little time */
    LADLE_REASON_NEED,       /* levels off: what is live */
    LADLE_REASON_REST,       /* levels off, or not enough: what no allocator explains */
    LADLE_REASON_SCATTERED,  /* fragmentation: free for long, in many holes, in a heap that was needed */
    LADLE_REASON_SLOW,       /* leak: by size class, below the noise of all that is live */
    LADLE_REASON_UNEXPLAINED /* not enough: RSS grew, nothing has a trend */
} ladle_reason;

/* Bytes, unless said otherwise. */
typedef struct ladle_findings {
    ladle_verdict_kind kind;
    ladle_reason reason;
    int64_t nbytes;  /* of growth that it explains */
    int64_t matters; /* less is no growth */
    double rate;     /* bytes a second that the need rises, of a leak */
    int64_t need_begin;
    ladle_trend need, file, rest; /* after start-up */
    int64_t held_late, live_late; /* least and most, over the last quarter */
    int64_t rss_settled, rss_most_after;
} ladle_findings;

/* Writes sentence and cure. */
void ladle_findings_tell(const ladle_findings *found, const ladle_evidence *evidence, ladle_verdict *verdict);

#endif
