#include "memory/fault.h"

#include "memory/context.h"

void ladle_fault_arm(ladle_context *context, ladle_fault_kind kind, int64_t fail_at, bool forever)
{
    ladle_fault *fault = ladle_context_fault(context);
    atomic_store(&fault->kind[kind].seen, 0);
    atomic_store(&fault->kind[kind].fail_at, fail_at);
    atomic_store(&fault->kind[kind].forever, forever);
    if (!atomic_exchange(&fault->kind[kind].counting, true))
        atomic_fetch_add(&fault->armed, 1);
}

int64_t ladle_fault_disarm(ladle_context *context, ladle_fault_kind kind)
{
    ladle_fault *fault = ladle_context_fault(context);
    if (atomic_exchange(&fault->kind[kind].counting, false))
        atomic_fetch_sub(&fault->armed, 1);
    return atomic_load(&fault->kind[kind].seen);
}

bool ladle_fault_strikes(ladle_fault *fault, ladle_fault_kind kind)
{
    if (atomic_load_explicit(&fault->armed, memory_order_relaxed) == 0 || !atomic_load(&fault->kind[kind].counting))
        return false;
    long long event = atomic_fetch_add(&fault->kind[kind].seen, 1) + 1;
    long long fail_at = atomic_load(&fault->kind[kind].fail_at);
    return fail_at != 0 && (event == fail_at || (event > fail_at && atomic_load(&fault->kind[kind].forever)));
}
