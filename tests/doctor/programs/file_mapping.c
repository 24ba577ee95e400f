/* Touches more and more of a mapped file of 160 MB, which it makes: file_mapping shared|private PATH. */
#include "program.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_NBYTES ((size_t)160 << 20)
#define STEPS 160

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[1], "shared") != 0 && strcmp(argv[1], "private") != 0))
        return fprintf(stderr, "usage: file_mapping shared|private PATH\n"), 2;
    bool shared = argv[1][0] == 's';
    int fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)FILE_NBYTES) != 0)
        return perror(argv[2]), 1;
    unlink(argv[2]);
    volatile char *map =
        mmap(NULL, FILE_NBYTES, shared ? PROT_READ | PROT_WRITE : PROT_READ, shared ? MAP_SHARED : MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return perror("mmap"), 1;
    size_t sum = 0, touched = 0;
    for (int step = 0; step < STEPS; step++) {
        void *work = take(50 * KB);
        for (size_t end = touched + FILE_NBYTES / STEPS; touched < end; touched += PAGE_NBYTES) {
            sum += (unsigned char)map[touched];
            if (shared)
                map[touched] = 1;
        }
        give_back(work, 50 * KB);
        pause_ms(10);
    }
    if (sum != 0)
        return fprintf(stderr, "a hole of a file is not zero\n"), 1;
    return tell_truth((int64_t)touched);
}
