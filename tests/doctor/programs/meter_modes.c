/* What the meter must count right, a mode each; the program's own truth is printed as
 * `{"live": usable bytes it has, "blocks": of these, "allocations": that it made}`.
 *
 *     meter_modes MODE [N]
 *
 * It frees what it does not count, and keeps little that it did not ask for itself: some hundred bytes of libc's. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic long long live, blocks, allocations;

static void die(const char *what)
{
    perror(what);
    _exit(3);
}

static void *keep(void *block)
{
    if (block == NULL)
        die("allocation");
    live += (long long)malloc_usable_size(block);
    blocks++;
    allocations++;
    return block;
}

static void drop(void *block)
{
    live -= (long long)malloc_usable_size(block);
    blocks--;
    free(block);
}

static void tell(int fd)
{
    char line[128];
    int n = snprintf(line, sizeof line, "{\"live\": %lld, \"blocks\": %lld, \"allocations\": %lld}\n", live, blocks,
                     allocations);
    if (write(fd, line, (size_t)n) != n)
        die("write");
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static size_t random_size(uint64_t *seed)
{
    uint64_t r = next_random(seed);
    return r % 100 == 0 ? 1 + next_random(seed) % 300000 : 1 + next_random(seed) % (r % 2 == 0 ? 100 : 5000);
}

/* --- threads, that free each other's blocks ------------------------------------------------------ */

enum { PLACES = 4096 };
static _Atomic(void *) places[PLACES];
static int steps = 100000;

static void *mix(void *user)
{
    uint64_t seed = (uint64_t)(uintptr_t)user;
    for (int i = 0; i < steps; i++) {
        void *block = keep(next_random(&seed) % 8 == 0 ? calloc(1, random_size(&seed)) : malloc(random_size(&seed)));
        void *old = atomic_exchange(&places[next_random(&seed) % PLACES], block);
        if (old != NULL)
            drop(old);
    }
    return NULL;
}

static void run_threads(int count, void *(*function)(void *))
{
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 32768);
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], &small, function, (void *)(uintptr_t)(i + 1)) != 0)
            die("pthread_create");
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

/* --- all of them at once ------------------------------------------------------------------------- */

static pthread_barrier_t barrier;
static pthread_key_t key;

static void *crowd(void *user)
{
    (void)user;
    for (int i = 0; i < 10; i++)
        (void)keep(malloc(1000));
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 10; i++)
        (void)keep(malloc(3000));
    return NULL;
}

/* --- a thread's destructors allocate ------------------------------------------------------------- */

static void at_thread_end(void *block)
{
    drop(block);
    (void)keep(malloc(500));
}

static void *leave_late(void *user)
{
    (void)user;
    pthread_setspecific(key, keep(malloc(100)));
    return NULL;
}

/* --- the whole family ---------------------------------------------------------------------------- */

static void family(int n)
{
    for (int i = 1; i <= n; i++) {
        size_t nbytes = (size_t)(i * 37 % 9000 + 1);
        void *block = NULL;
        (void)keep(malloc(nbytes));
        (void)keep(calloc(3, nbytes));
        (void)keep(reallocarray(NULL, 5, nbytes));
        (void)keep(aligned_alloc(64, (nbytes + 63) / 64 * 64));
        (void)keep(memalign(256, nbytes));
        if (posix_memalign(&block, 4096, nbytes) != 0)
            die("posix_memalign");
        (void)keep(block);
        (void)keep(valloc(nbytes));
        (void)keep(pvalloc(nbytes));
        (void)keep(strdup("a string that libc allocates"));
        block = malloc(nbytes);
        for (int k = 0; k < 3; k++)
            block = realloc(block, nbytes * (size_t)(k == 1 ? 40 : 2));
        allocations += 3;
        drop(keep(block));
        allocations--;
        block = keep(malloc(nbytes));
        allocations++; /* a realloc that fails counts as one that gave the block back and got it again */
        size_t too_much = PTRDIFF_MAX - 4096;
        void *volatile failed = realloc(block, too_much);
        if (failed != NULL)
            die("realloc of too much");
        drop(block);
        allocations++;
        failed = realloc(malloc(nbytes), 0);
        if (failed != NULL) {
            allocations++;
            free(failed);
        }
    }
}

/* --- signals ------------------------------------------------------------------------------------- */

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    alarms = alarms + 1;
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval timer = {{0, 200}, {0, 200}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    mix((void *)(uintptr_t)5);
    memset(&timer, 0, sizeof timer);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* --- fork ---------------------------------------------------------------------------------------- */

static void wait_for(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        die("a child failed");
}

/* The child frees a part of what it inherited and takes more; it tells its own truth before the parent does. */
static void fork_once(int hurry)
{
    static void *blocks_of_parent[1000];
    for (int i = 0; i < 1000; i++)
        blocks_of_parent[i] = keep(malloc(10000));
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        for (int i = 0; i < 400; i++)
            drop(blocks_of_parent[i]);
        for (int i = 0; i < 700; i++)
            (void)keep(malloc(20000));
        tell(STDOUT_FILENO);
        hurry ? _exit(0) : exit(0);
    }
    wait_for(child);
}

static _Atomic int is_over;

static void *allocate_until_over(void *user)
{
    uint64_t seed = (uint64_t)(uintptr_t)user;
    while (!is_over)
        free(malloc(random_size(&seed)));
    return NULL;
}

static void *fork_often(void *user)
{
    (void)user;
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child == 0) {
            for (int k = 0; k < 1000; k++)
                free(malloc((size_t)k));
            _exit(0);
        }
        wait_for(child);
    }
    return NULL;
}

static void fork_storm(void)
{
    pthread_t busy[2], forking[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&busy[i], NULL, allocate_until_over, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < 2; i++)
        pthread_create(&forking[i], NULL, fork_often, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(forking[i], NULL);
    is_over = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(busy[i], NULL);
}

/* --- exec, and a start without what the meter needs ---------------------------------------------- */

static void exec_again(const char *self, int left, char **environment)
{
    char text[16];
    (void)keep(malloc(1000000));
    (void)snprintf(text, sizeof text, "%d", left - 1);
    char *words[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "exec", text, NULL};
    execve("/proc/self/exe", words, environment);
    die("execve");
}

static void vfork_and_exec(void)
{
    for (int i = 0; i < 20; i++) {
        pid_t child = vfork();
        if (child == 0) {
            char *words[] = {(char *)(uintptr_t) "none", NULL};
            execve("/no/such/program", words, NULL);
            _exit(0);
        }
        wait_for(child);
    }
}

/* --- all descriptors closed, and then more threads than there are slots at first ------------------ */

static void close_all(void)
{
    int truth = dup(STDOUT_FILENO);
    for (int fd = 0; fd < 1024; fd++)
        if (fd != truth)
            close(fd);
    int other = open("/dev/zero", O_RDWR);
    pthread_barrier_init(&barrier, NULL, 100);
    run_threads(100, crowd);
    if (other != 0 || fcntl(1, F_GETFD) != -1 || fcntl(2, F_GETFD) != -1)
        _exit(4); /* somebody keeps a descriptor */
    tell(truth);
}

static void limit_descriptors(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &none) != 0)
        die("setrlimit");
    pthread_barrier_init(&barrier, NULL, 100);
    run_threads(100, crowd);
}

static void linger(void)
{
    mix((void *)(uintptr_t)7);
    tell(STDOUT_FILENO);
    raise(SIGKILL);
}

int main(int argc, char **argv)
{
    static char buffer[BUFSIZ];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    const char *mode = argc > 1 ? argv[1] : "";
    int n = argc > 2 ? atoi(argv[2]) : 1000;
    char *nothing[] = {NULL};
    if (strcmp(mode, "threads") == 0) {
        run_threads(8, mix);
    } else if (strcmp(mode, "crowd") == 0) {
        pthread_barrier_init(&barrier, NULL, (unsigned)n);
        run_threads(n, crowd);
    } else if (strcmp(mode, "late") == 0) {
        pthread_key_create(&key, at_thread_end);
        for (int i = 0; i < 40; i++)
            run_threads(n / 40, leave_late);
    } else if (strcmp(mode, "family") == 0) {
        family(n);
    } else if (strcmp(mode, "signals") == 0) {
        signals();
    } else if (strcmp(mode, "fork") == 0 || strcmp(mode, "hurry") == 0) {
        fork_once(mode[0] == 'h');
    } else if (strcmp(mode, "storm") == 0) {
        fork_storm();
    } else if (strcmp(mode, "exec") == 0 && n > 0) {
        exec_again(argv[0], n, environ);
    } else if (strcmp(mode, "cleared") == 0) {
        exec_again(argv[0], 1, nothing);
    } else if (strcmp(mode, "vfork") == 0) {
        vfork_and_exec();
        (void)keep(malloc(1000000));
    } else if (strcmp(mode, "closed") == 0) {
        close_all();
        return 0;
    } else if (strcmp(mode, "limited") == 0) {
        limit_descriptors();
    } else if (strcmp(mode, "killed") == 0) {
        linger();
    } else if (strcmp(mode, "quick") == 0) {
        (void)keep(malloc(1000000));
        tell(STDOUT_FILENO);
        quick_exit(0);
    } else if (strcmp(mode, "exec") != 0) {
        fprintf(stderr, "meter_modes: no such mode: %s\n", mode);
        return 2;
    }
    tell(STDOUT_FILENO);
    return 0;
}
