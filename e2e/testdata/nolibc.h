/*
 * What tinybox.c needs of a C library, for SH-4. Debian 12's own
 * (libc6-dev-sh4-cross 2.36) never gets to main: in __libc_start_main the loop
 * that looks for the end of the environment is compiled to a branch to itself
 * ("bf.s" without the test before it).
 *
 * Numbers and structures: Linux, arch/sh/kernel/syscalls/syscall.tbl,
 * include/uapi/asm-generic, arch/sh/include/uapi/asm/ioctls.h.
 */
#ifndef __sh__
#error "only for SH-4"
#endif

#define NULL ((void *)0)
typedef unsigned long size_t;

struct utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
struct timespec {
	long tv_sec, tv_nsec;
};
struct winsize {
	unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel;
};

enum {
	O_RDONLY = 0,
	O_WRONLY = 1,
	O_CREAT = 0100,
	O_TRUNC = 01000,
	O_APPEND = 02000,
	O_DIRECTORY = 0200000,
	SIGTERM = 15,
};

#define TIOCGWINSZ 0x80087468u
#define WIFSIGNALED(s) (((s) & 0x7f) != 0)
#define WTERMSIG(s) ((s) & 0x7f)
#define WEXITSTATUS(s) (((s) >> 8) & 0xff)

/* A call with up to four arguments: trapa #0x13, number in r3. */
static long call(long number, long a, long b, long c, long d)
{
	register long r3 __asm__("r3") = number;
	register long r4 __asm__("r4") = a;
	register long r5 __asm__("r5") = b;
	register long r6 __asm__("r6") = c;
	register long r7 __asm__("r7") = d;
	register long r0 __asm__("r0");
	__asm__ volatile("trapa #0x13" : "=r"(r0) : "r"(r3), "r"(r4), "r"(r5), "r"(r6), "r"(r7) : "memory", "t", "r1");
	return r0 < 0 && r0 > -4096 ? -1 : r0;
}

static inline void _exit(int status)
{
	for (;;)
		call(1, status, 0, 0, 0);
}
static inline int fork(void) { return call(2, 0, 0, 0, 0); }
static inline long read(int fd, void *buf, size_t n) { return call(3, fd, (long)buf, n, 0); }
static inline long write(int fd, const void *buf, size_t n) { return call(4, fd, (long)buf, n, 0); }
static inline int open(const char *path, int flags, ...) { return call(5, (long)path, flags, 0644, 0); }
static inline int close(int fd) { return call(6, fd, 0, 0, 0); }
static inline int execve(const char *path, char *const argv[], char *const env[]) { return call(11, (long)path, (long)argv, (long)env, 0); }
static inline int getpid(void) { return call(20, 0, 0, 0, 0); }
static inline int kill(int pid, int sig) { return call(37, pid, sig, 0, 0); }
static inline int ioctl(int fd, unsigned long what, void *arg) { return call(54, fd, what, (long)arg, 0); }
static inline int dup2(int from, int to) { return call(63, from, to, 0, 0); }
static inline int waitpid(int pid, int *ws, int options) { return call(114, pid, (long)ws, options, 0); }
static inline int uname(struct utsname *u) { return call(122, (long)u, 0, 0, 0); }
static inline int nanosleep(const struct timespec *t, struct timespec *left) { return call(162, (long)t, (long)left, 0, 0); }
static inline unsigned getuid(void) { return call(199, 0, 0, 0, 0); }
static inline unsigned getgid(void) { return call(200, 0, 0, 0, 0); }
static inline long list_directory(int fd, void *buf, unsigned n) { return call(220, fd, (long)buf, n, 0); }
/* Five arguments are more than call has; the test of mounts is not for SH-4. */
static inline int mount(const char *what, const char *on, const char *type, unsigned long flags, const void *data)
{
	(void)what, (void)on, (void)type, (void)flags, (void)data;
	return -1;
}
static inline int umount2(const char *on, int flags) { return call(52, (long)on, flags, 0, 0); }
/* pipe itself returns both descriptors in registers; pipe2 does not. */
static inline int pipe(int *p) { return call(331, (long)p, 0, 0, 0); }

void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}
void *memset(void *to, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = c;
	return to;
}

static char **environ;
int main(int argc, char **argv);

/* The kernel starts a program with argc at the top of the stack. */
void start_c(long *stack)
{
	char **argv = (char **)(stack + 1);
	environ = argv + stack[0] + 1;
	_exit(main(stack[0], argv));
}
__asm__(".globl _start\n_start:\n\tmov r15, r4\n\tmov.l 1f, r0\n\tjsr @r0\n\tnop\n\t.align 2\n1:\t.long start_c\n");
