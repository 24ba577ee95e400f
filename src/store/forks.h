/* store/forks.h: tells a forked child from its parent, without a system call. */
#ifndef LADLE_STORE_FORKS_H
#define LADLE_STORE_FORKS_H

/* Changes in the child of each fork() after the first call; a process made by clone() itself does not count. */
unsigned ladle_forks(void);

#endif
