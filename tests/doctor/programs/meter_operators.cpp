// C++'s operators in all variants, and an exception that passes through operator new. The program's own truth is
// printed as
// {"live": usable bytes it has, "blocks": of these, "allocations": that it made}. With an argument nothing is thrown.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <malloc.h>
#include <new>

static long long live, blocks, allocations;

static void *keep(void *block)
{
    live += static_cast<long long>(malloc_usable_size(block));
    blocks++;
    allocations++;
    return block;
}

static void *gone(void *block)
{
    live -= static_cast<long long>(malloc_usable_size(block));
    blocks--;
    return block;
}

static void all_variants(std::size_t n)
{
    const std::align_val_t aligned{128};
    for (int rest = 0; rest < 2; rest++) { // the first round frees what it made
        void *made[] = {
            keep(operator new(n)),
            keep(operator new[](n)),
            keep(operator new(n, std::nothrow)),
            keep(operator new[](n, std::nothrow)),
            keep(operator new(n, aligned)),
            keep(operator new[](n, aligned)),
            keep(operator new(n, aligned, std::nothrow)),
            keep(operator new[](n, aligned, std::nothrow)),
            keep(operator new(n)),
            keep(operator new[](n)),
            keep(operator new(n, aligned)),
            keep(operator new[](n, aligned)),
        };
        if (rest)
            break;
        operator delete(gone(made[0]));
        operator delete[](gone(made[1]));
        operator delete(gone(made[2]), std::nothrow);
        operator delete[](gone(made[3]), std::nothrow);
        operator delete(gone(made[4]), aligned);
        operator delete[](gone(made[5]), aligned);
        operator delete(gone(made[6]), aligned, std::nothrow);
        operator delete[](gone(made[7]), aligned, std::nothrow);
        operator delete(gone(made[8]), n);
        operator delete[](gone(made[9]), n);
        operator delete(gone(made[10]), n, aligned);
        operator delete[](gone(made[11]), n, aligned);
    }
}

int main(int argc, char **)
{
    static volatile std::size_t too_much = SIZE_MAX / 2 - 100000;
    int caught = 0;
    for (int i = 0; i < 500; i++)
        all_variants(static_cast<std::size_t>(i) * 53 % 6000 + 1);
    for (int i = 0; i < 3 && argc == 1; i++) {
        try {
            (void)keep(operator new(too_much));
        } catch (const std::bad_alloc &) {
            caught++;
        }
    }
    if (argc == 1 && operator new(too_much, std::nothrow) != nullptr)
        return 3;
    // The guard that was up while it was thrown is down again, or these would not be counted.
    for (int i = 0; i < 1000; i++)
        (void)keep(operator new(1000));
    std::printf("{\"live\": %lld, \"blocks\": %lld, \"allocations\": %lld}\n", live, blocks, allocations);
    return argc > 1 || caught == 3 ? 0 : 4;
}
