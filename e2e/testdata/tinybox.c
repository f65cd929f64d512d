/*
 * tinybox: the few programs that a root needs to be tried, in one static file
 * that goes by the name that it was started with. It uses system calls and
 * nothing else of the C library, so that it can be built without one.
 */
#ifdef TINYBOX_NOLIBC
#include "nolibc.h"
#else
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
extern char **environ;

static long list_directory(int fd, void *buf, unsigned size)
{
	return syscall(SYS_getdents64, fd, buf, size);
}
#endif

/* linux_dirent64 of getdents64(2), the same everywhere. */
struct entry {
	unsigned long long ino;
	long long off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int applet(int argc, char **argv);

/* ---- strings ---- */

static unsigned length(const char *s)
{
	unsigned n = 0;
	while (s[n] != '\0')
		n++;
	return n;
}

static int equal(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
		a++, b++;
	return *a == *b;
}

static int number(const char *s)
{
	int n = 0;
	while (*s >= '0' && *s <= '9')
		n = n * 10 + (*s++ - '0');
	return n;
}

static void put(int fd, const char *s)
{
	unsigned n = length(s), done = 0;
	while (done < n) {
		long w = write(fd, s + done, n - done);
		if (w <= 0)
			_exit(1);
		done += w;
	}
}

static void put_number(unsigned n)
{
	char text[12];
	int at = sizeof(text) - 1;
	text[at] = '\0';
	do
		text[--at] = '0' + n % 10;
	while ((n /= 10) != 0);
	put(1, text + at);
}

static const char *base(const char *path)
{
	const char *name = path;
	for (; *path != '\0'; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

static const char *variable(const char *name)
{
	unsigned n = length(name);
	for (char **e = environ; *e != NULL; e++) {
		unsigned i = 0;
		while (i < n && (*e)[i] == name[i])
			i++;
		if (i == n && (*e)[n] == '=')
			return *e + n + 1;
	}
	return "";
}

static int fail(const char *who, const char *what)
{
	put(2, who);
	put(2, ": ");
	put(2, what);
	put(2, "\n");
	return 1;
}

/* ---- sh -c: ; newline && || | < > >> 2>&1 quotes $? $NAME ---- */

enum { WORDS = 64, TEXT = 4096 };

static int last_status;

static int wait_for(int pid)
{
	int ws;
	if (waitpid(pid, &ws, 0) != pid)
		return 1;
	return WIFSIGNALED(ws) ? 128 + WTERMSIG(ws) : WEXITSTATUS(ws);
}

/* expand copies one word of the line at *in to out, without its quotes. */
static char *expand(const char **in, char *out)
{
	const char *s = *in;
	char quote = 0;
	for (; *s != '\0'; s++) {
		if (quote == 0 && (*s == ' ' || *s == '\t' || *s == '<' || *s == '>'))
			break;
		if (*s == quote) {
			quote = 0;
		} else if (quote == 0 && (*s == '\'' || *s == '"')) {
			quote = *s;
		} else if (*s == '\\' && quote != '\'' && s[1] != '\0') {
			*out++ = *++s;
		} else if (*s == '$' && quote != '\'' && s[1] == '?') {
			int n = last_status;
			if (n >= 100)
				*out++ = '0' + n / 100;
			if (n >= 10)
				*out++ = '0' + n / 10 % 10;
			*out++ = '0' + n % 10;
			s++;
		} else if (*s == '$' && quote != '\'') {
			char name[64];
			unsigned n = 0;
			while (n < sizeof(name) - 1 && (s[1] == '_' || (s[1] >= 'A' && s[1] <= 'Z') || (s[1] >= '0' && s[1] <= '9')))
				name[n++] = *++s;
			name[n] = '\0';
			for (const char *v = variable(name); *v != '\0'; v++)
				*out++ = *v;
		} else {
			*out++ = *s;
		}
	}
	*out++ = '\0';
	*in = s;
	return out;
}

/* redirect opens the file of <, > or >> and puts it at its descriptor. */
static int redirect(const char *op, const char *name)
{
	int flags = O_RDONLY, at = 0;
	if (op[0] == '>') {
		flags = O_WRONLY | O_CREAT | (op[1] == '>' ? O_APPEND : O_TRUNC);
		at = 1;
	}
	int fd = open(name, flags, 0644);
	if (fd < 0)
		return fail("sh", "cannot open the file of a redirection");
	dup2(fd, at);
	close(fd);
	return 0;
}

/* execute becomes the command of one part of a pipeline. */
static void execute(const char *line)
{
	static char text[TEXT];
	char *argv[WORDS], *out = text;
	int argc = 0;
	while (*line != '\0') {
		if (*line == ' ' || *line == '\t') {
			line++;
		} else if (line[0] == '2' && line[1] == '>' && line[2] == '&' && line[3] == '1') {
			dup2(1, 2);
			line += 4;
		} else if (*line == '<' || *line == '>') {
			const char *op = line;
			char *name = out;
			while (*line == '<' || *line == '>' || *line == ' ')
				line++;
			out = expand(&line, out);
			if (redirect(op, name) != 0)
				_exit(1);
		} else if (argc < WORDS - 1) {
			argv[argc++] = out;
			out = expand(&line, out);
		}
	}
	argv[argc] = NULL;
	if (argc == 0)
		_exit(0);
	if (equal(argv[0], "exit"))
		_exit(argc > 1 ? number(argv[1]) : last_status);
	char path[256] = "/bin/";
	unsigned at = 5;
	const char *name = argv[0];
	for (const char *s = name; *s != '\0'; s++)
		if (*s == '/')
			at = 0;
	for (; *name != '\0' && at < sizeof(path) - 1; name++)
		path[at++] = *name;
	path[at] = '\0';
	execve(path, argv, environ);
	fail(argv[0], "not found");
	_exit(127);
}

/* next_operator finds the first operator of set outside of quotes. */
static char *next_operator(char *s, const char *set)
{
	char quote = 0;
	for (; *s != '\0'; s++) {
		if (*s == '\\' && quote != '\'' && s[1] != '\0')
			s++;
		else if (*s == quote)
			quote = 0;
		else if (quote == 0 && (*s == '\'' || *s == '"'))
			quote = *s;
		else if (quote == 0)
			for (const char *c = set; *c != '\0'; c++)
				if (*s == *c && !(*s == '&' && s[1] != '&'))
					return s;
	}
	return s;
}

static int pipeline(char *line)
{
	int in = -1, status = 0, pids[WORDS], n = 0;
	while (line != NULL && n < WORDS) {
		int p[2] = {-1, -1};
		char *end = next_operator(line, "|"), *rest = NULL;
		if (*end != '\0') {
			*end = '\0';
			rest = end + 1;
			if (pipe(p) != 0)
				return fail("sh", "no pipe");
		}
		int pid = fork();
		if (pid < 0)
			return fail("sh", "cannot fork");
		if (pid == 0) {
			if (in >= 0)
				dup2(in, 0), close(in);
			if (rest != NULL)
				dup2(p[1], 1), close(p[0]), close(p[1]);
			execute(line);
		}
		pids[n++] = pid;
		if (in >= 0)
			close(in);
		if (rest != NULL)
			close(p[1]);
		in = p[0];
		line = rest;
	}
	for (int i = 0; i < n; i++)
		status = wait_for(pids[i]);
	return status;
}

/* is_exit tells whether a command ends the shell itself. */
static int is_exit(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s[0] == 'e' && s[1] == 'x' && s[2] == 'i' && s[3] == 't' && (s[4] == ' ' || s[4] == '\0');
}

static int is_blank(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return *s == '\0';
}

static int run_line(char *s)
{
	int skip = 0;
	while (s != NULL && *s != '\0') {
		char *end = next_operator(s, ";\n&|");
		while (*end == '|' && end[1] != '|')
			end = next_operator(end + 1, ";\n&|");
		char op = *end, *rest = NULL;
		if (op != '\0')
			rest = end + (op == '&' || op == '|' ? 2 : 1);
		*end = '\0';
		if (!skip && !is_blank(s)) {
			int leave = is_exit(s);
			last_status = pipeline(s);
			if (leave)
				return last_status;
		}
		skip = (op == '&' && last_status != 0) || (op == '|' && last_status == 0);
		s = rest;
	}
	return last_status;
}

static int sh(int argc, char **argv)
{
	static char text[TEXT];
	unsigned n = 0;
	if (argc > 2 && equal(argv[1], "-c")) {
		for (const char *s = argv[2]; *s != '\0' && n < sizeof(text) - 1; s++)
			text[n++] = *s;
	} else {
		long r;
		while (n < sizeof(text) - 1 && (r = read(0, text + n, sizeof(text) - 1 - n)) > 0)
			n += r;
	}
	text[n] = '\0';
	return run_line(text);
}

/* ---- the other programs ---- */

static int cat(int argc, char **argv)
{
	char buf[4096];
	for (int i = argc > 1 ? 1 : 0; i < argc; i++) {
		int fd = i == 0 ? 0 : open(argv[i], O_RDONLY);
		long n;
		if (fd < 0)
			return fail("cat", "no such file");
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			if (write(1, buf, n) != n)
				return 1;
		if (fd != 0)
			close(fd);
	}
	return 0;
}

static int ls(int argc, char **argv)
{
	static union {
		char bytes[4096];
		struct entry first;
	} buf;
	int fd = open(argc > 1 ? argv[1] : ".", O_RDONLY | O_DIRECTORY);
	long n;
	if (fd < 0)
		return fail("ls", "no such directory");
	while ((n = list_directory(fd, buf.bytes, sizeof(buf.bytes))) > 0) {
		for (long at = 0; at < n;) {
			struct entry *e = (struct entry *)(buf.bytes + at);
			if (e->name[0] != '.') {
				put(1, e->name);
				put(1, "\n");
			}
			at += e->len;
		}
	}
	return n < 0;
}

/* wc counts the lines of its input. */
static int wc(void)
{
	char buf[4096];
	unsigned lines = 0;
	long n;
	while ((n = read(0, buf, sizeof(buf))) > 0)
		for (long i = 0; i < n; i++)
			lines += buf[i] == '\n';
	put_number(lines);
	put(1, "\n");
	return 0;
}

static int uname_applet(int argc, char **argv)
{
	struct utsname u;
	if (uname(&u) != 0)
		return 1;
	const char *what = u.sysname;
	if (argc > 1 && equal(argv[1], "-m"))
		what = u.machine;
	if (argc > 1 && equal(argv[1], "-n"))
		what = u.nodename;
	put(1, what);
	put(1, "\n");
	return 0;
}

static int id(void)
{
	put(1, "uid=");
	put_number(getuid());
	put(1, " gid=");
	put_number(getgid());
	put(1, "\n");
	return 0;
}

static int sleep_applet(int argc, char **argv)
{
	struct timespec t = {argc > 1 ? number(argv[1]) : 1, 0};
	return nanosleep(&t, NULL) != 0;
}

/* stty says the size of the terminal: rows and columns. */
static int stty(void)
{
	struct winsize w;
	if (ioctl(0, TIOCGWINSZ, &w) != 0)
		return fail("stty", "not a terminal");
	put_number(w.ws_row);
	put(1, " ");
	put_number(w.ws_col);
	put(1, "\n");
	return 0;
}

/* orphans leaves children whose parent is gone for the jail's init to reap. */
static int orphans(int argc, char **argv)
{
	for (int i = argc > 1 ? number(argv[1]) : 1; i > 0; i--) {
		int pid = fork();
		if (pid == 0) {
			if (fork() != 0)
				_exit(0);
			_exit(7);
		}
		wait_for(pid);
	}
	return 0;
}

/* mounts tries what only the machine's root may: to take off a mount, to make
 * one writable, to have a /proc without them. Each that works is said. */
static int mounts(int argc, char **argv)
{
	if (argc < 2)
		return fail("mounts", "which?");
	if (umount2(argv[1], 2) == 0)
		put(1, "umount\n");
	if (mount("", argv[1], "", 32 | 4096, "") == 0)
		put(1, "remount\n");
	if (mount("proc", "/tmp", "proc", 0, "") == 0)
		put(1, "proc\n");
	return 0;
}

static int applet(int argc, char **argv)
{
	const char *name = base(argv[0]);
	if (*name == '-')
		name++;
	if (equal(name, "sh"))
		return sh(argc, argv);
	if (equal(name, "cat"))
		return cat(argc, argv);
	if (equal(name, "echo")) {
		for (int i = 1; i < argc; i++) {
			put(1, argv[i]);
			put(1, i + 1 < argc ? " " : "");
		}
		put(1, "\n");
		return 0;
	}
	if (equal(name, "env")) {
		for (char **e = environ; *e != NULL; e++) {
			put(1, *e);
			put(1, "\n");
		}
		return 0;
	}
	if (equal(name, "false"))
		return 1;
	if (equal(name, "id"))
		return id();
	if (equal(name, "kill-self"))
		return kill(getpid(), argc > 1 ? number(argv[1]) : SIGTERM);
	if (equal(name, "ls"))
		return ls(argc, argv);
	if (equal(name, "mounts"))
		return mounts(argc, argv);
	if (equal(name, "orphans"))
		return orphans(argc, argv);
	if (equal(name, "sleep"))
		return sleep_applet(argc, argv);
	if (equal(name, "stty"))
		return stty();
	if (equal(name, "true"))
		return 0;
	if (equal(name, "uname"))
		return uname_applet(argc, argv);
	if (equal(name, "wc"))
		return wc();
	return fail(name, "tinybox has no such program");
}

int main(int argc, char **argv)
{
	if (argc > 1 && equal(base(argv[0]), "tinybox")) {
		argc--;
		argv++;
	}
	return argc > 0 ? applet(argc, argv) : 1;
}
