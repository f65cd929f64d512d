/* Does known things known times: the ground truth of a collector.
 *
 *   truth DIR ROUNDS FLAGS    FLAGS: s set-id program, c chroot, l leave one running
 *
 * DIR has true (this program, which does nothing without arguments), emulated,
 * script and escript (#! of both), plain (no execute permission), text (no
 * program), suid and c/true. truth_test.go knows what comes of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[4096];
static char name[8192];

static void die(const char *what)
{
	fprintf(stderr, "truth: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static char *in(const char *file)
{
	snprintf(name, sizeof name, "%s/%s", dir, file);
	return name;
}

static void expect(pid_t pid, int how, const char *what)
{
	int status;
	if (pid < 0 || waitpid(pid, &status, __WALL) != pid)
		die(what);
	if (status != how) {
		fprintf(stderr, "truth: %s: status %#x, want %#x\n", what, status, how);
		_exit(98);
	}
}

static void run(const char *file)
{
	char *argv[] = {(char *)file, 0}, *env[] = {0};
	execve(in(file), argv, env);
	_exit(97);
}

static void forked(const char *file)
{
	pid_t pid = fork();
	if (pid == 0)
		run(file);
	expect(pid, 0, file);
}

static void vforked(const char *file)
{
	char *argv[] = {(char *)file, 0}, *env[] = {0}, *path = in(file);
	pid_t pid = vfork();
	if (pid == 0) {
		execve(path, argv, env);
		_exit(97);
	}
	expect(pid, 0, file);
}

static void spawned(const char *file)
{
	char *argv[] = {(char *)file, 0}, *env[] = {0};
	pid_t pid;
	if ((errno = posix_spawn(&pid, in(file), 0, 0, argv, env)) != 0)
		die("posix_spawn");
	expect(pid, 0, file);
}

static void fails(const char *file, int err)
{
	char *argv[] = {(char *)file, 0}, *env[] = {0};
	if (execve(in(file), argv, env) == 0 || errno != err)
		die(file);
}

static void fails_as(const char *file, int err)
{
	char *argv[] = {0, 0}, *env[] = {0};
	argv[0] = (char *)file;
	if (execve(file, argv, env) == 0 || errno != err)
		die("execve");
}

/* The middle one ends at once; the last becomes a program when it is an orphan. */
static void doubled(void)
{
	int fd[2];
	char c;
	pid_t pid;
	if (pipe2(fd, O_CLOEXEC) != 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		pid_t middle = getpid();
		if (fork() == 0) {
			while (getppid() == middle)
				sched_yield();
			run("true");
		}
		_exit(0);
	}
	expect(pid, 0, "double fork");
	close(fd[1]);
	if (read(fd[0], &c, 1) != 0) /* until the last has begun */
		die("read");
	close(fd[0]);
}

static void once_more(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(3);
	expect(pid, 3 << 8, "fork");
	pid = fork();
	if (pid == 0) {
		kill(getpid(), SIGTERM);
		for (;;)
			pause();
	}
	expect(pid, SIGTERM, "killed");
}

static void *nothing(void *arg) { return arg; }
static void *forever(void *arg) { for (;;) pause(); return arg; }
static void *becomes(void *arg) { run(arg); return arg; }

static void threads(void *(*start)(void *), void *arg, int join, int status)
{
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t t[4];
		int i, n = start == becomes ? 1 : 4;
		for (i = 0; i < n; i++)
			if (pthread_create(&t[i], 0, start, arg) != 0)
				_exit(96);
		for (i = 0; i < n && join; i++)
			pthread_join(t[i], 0);
		_exit(status);
	}
	expect(pid, status << 8, "threads");
}

/* One of several threads becomes a program. */
static void crowd(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t t;
		int i;
		for (i = 0; i < 5; i++)
			if (pthread_create(&t, 0, i == 3 ? becomes : forever, "true") != 0)
				_exit(96);
		forever(0);
	}
	expect(pid, 0, "crowd");
}

static volatile int alive;
static int odd_thread(void *arg)
{
	alive = 1;
	syscall(SYS_exit, 0);
	return 0;
}

/* A thread that is made with a signal, as a process is. */
static void odd(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		static char stack[65536] __attribute__((aligned(16)));
		if (clone(odd_thread, stack + sizeof stack, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | SIGCHLD, 0) < 0)
			_exit(89);
		while (!alive)
			sched_yield();
		_exit(12);
	}
	expect(pid, 12 << 8, "odd thread");
}

/* A filter of its own stops another call for a tracer. */
static void filtered(void)
{
	struct { unsigned short code; unsigned char jt, jf; unsigned k; } prog[] = {
		{0x20, 0, 0, 0}, {0x15, 0, 1, SYS_fchdir}, {0x06, 0, 0, 0x7ff00007}, {0x06, 0, 0, 0x7fff0000},
	};
	struct { unsigned short len; void *prog; } filter = {4, prog};
	pid_t pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, 2, &filter) != 0)
			_exit(88);
		fchdir(-1);
		_exit(13);
	}
	expect(pid, 13 << 8, "filter");
}

static void crash(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile int *)8 = 1;
	}
	int status;
	if (waitpid(pid, &status, 0) != pid || (status & 0x7f) != SIGSEGV)
		die("crash");
}

static void leave(int sig) { _exit(5); }

static void stops(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGUSR2, leave);
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		die("stop");
	kill(pid, SIGCONT);
	if (waitpid(pid, &status, WCONTINUED) != pid || !WIFCONTINUED(status))
		die("continue");
	kill(pid, SIGUSR2);
	expect(pid, 5 << 8, "stopped");
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(94);
	}
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
		die("stop");
	kill(pid, SIGKILL);
	expect(pid, SIGKILL, "killed when stopped");
}

static void without_signal(void)
{
	pid_t pid = syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0)
		_exit(6);
	expect(pid, 6 << 8, "clone");
}

/* Children of who ignores SIGCHLD are reaped by the kernel. */
static void ignoring(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		int i, status;
		signal(SIGCHLD, SIG_IGN);
		for (i = 0; i < 5; i++)
			if (fork() == 0)
				_exit(7);
		if (waitpid(-1, &status, 0) != -1 || errno != ECHILD)
			_exit(95);
		_exit(8);
	}
	expect(pid, 8 << 8, "SIGCHLD ignored");
}

static volatile int value;
static void take(int sig, siginfo_t *info, void *ctx)
{
	value = info->si_code == SI_QUEUE && info->si_pid == getpid() ? info->si_value.sival_int : -1;
}

static void queued(void)
{
	struct sigaction a = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, 0);
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711});
	if (value != 4711)
		die("siginfo");
}

static void as_other(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (setgid(1000) != 0 || setuid(1000) != 0)
			_exit(93);
		char *argv[] = {"suid", "id", 0}, *env[] = {0};
		execve(in("suid"), argv, env);
		_exit(97);
	}
	expect(pid, 0, "set-id");
}

static void within(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[] = {"true", 0}, *env[] = {0};
		if (chroot(in("c")) != 0 || chdir("/") != 0)
			_exit(92);
		execve("/true", argv, env);
		_exit(97);
	}
	expect(pid, 0, "chroot");
}

static void relative(void)
{
	int fd;
	pid_t pid = fork();
	if (pid == 0) {
		char *argv[] = {"true", 0}, *env[] = {0};
		if (chdir(dir) != 0)
			_exit(91);
		execve("./true", argv, env);
		_exit(97);
	}
	expect(pid, 0, "relative");
	if ((fd = open(dir, O_PATH | O_DIRECTORY)) < 0)
		die("open");
	pid = fork();
	if (pid == 0) {
		char *argv[] = {"true", 0}, *env[] = {0};
		syscall(SYS_execveat, fd, "true", argv, env, 0);
		_exit(97);
	}
	expect(pid, 0, "execveat");
	close(fd);
}

/* Uses the processor in user mode and in the kernel. */
static void busy(void)
{
	volatile unsigned long n = 0;
	int i;
	for (i = 0; i < 20000000; i++)
		n += i;
	for (i = 0; i < 20000; i++)
		close(open("/dev/null", O_RDONLY));
}

int main(int argc, char **argv)
{
	int i, rounds;
	if (argc == 2 && strcmp(argv[1], "id") == 0)
		return geteuid() == 0 && getuid() == 1000 ? 0 : 90;
	if (argc < 4)
		return 0;
	snprintf(dir, sizeof dir, "%s", argv[1]);
	rounds = atoi(argv[2]);
	for (i = 0; i < rounds; i++) {
		forked("true");
		forked("emulated");
		vforked("true");
		spawned("true");
		vforked("emulated");
		forked("script");
		forked("escript");
		doubled();
		once_more();
		fails("nothing", ENOENT);
		fails("plain", EACCES);
		fails("text", ENOEXEC);
		fails("true/true", ENOTDIR);
		fails_as("", ENOENT);
	}
	busy();
	threads(nothing, 0, 1, 10);
	threads(forever, 0, 0, 11);
	threads(becomes, "true", 1, 0);
	crowd();
	odd();
	filtered();
	crash();
	stops();
	without_signal();
	ignoring();
	queued();
	relative();
	if (strchr(argv[3], 's'))
		as_other();
	if (strchr(argv[3], 'c'))
		within();
	if (strchr(argv[3], 'l') && fork() == 0)
		for (;;)
			pause();
	return 42;
}
