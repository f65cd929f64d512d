/* What differs between architectures: sizes, arguments, floating point, longjmp. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mixed { char c; double d; short s; int64_t l; float f[3]; };

static struct mixed turn(struct mixed m) {
	m.d *= 2;
	m.l = -m.l;
	m.f[2] += 0.5f;
	return m;
}

static double sum(int n, ...) {
	va_list ap;
	double total = 0;
	va_start(ap, n);
	for (int i = 0; i < n; i++)
		total += i % 2 ? va_arg(ap, double) : (double)va_arg(ap, long long);
	va_end(ap);
	return total;
}

static int choose(int n) {
	switch (n) {
	case 1: return 11;
	case 2: return 23;
	case 3: return 37;
	case 4: return 53;
	case 5: return 71;
	case 9: return 97;
	default: return n < 0 ? -1 : 0;
	}
}

static jmp_buf back;
static int order(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(int argc, char **argv) {
	volatile int64_t big = 1000000007;
	volatile double third = 1.0 / 3;
	struct mixed m = turn((struct mixed){'x', 1.25, -3, 5000000000LL, {1, 2, 3}});
	int list[] = {5, 3, 9, 1, 7};
	qsort(list, 5, sizeof list[0], order);
	printf("%c %.2f %d %lld %.1f\n", m.c, m.d, m.s, (long long)m.l, m.f[2]);
	printf("%lld %lld %.6f %.4f\n", (long long)(big * big / 12345), (long long)(big % 98765), third * 3e6, pow(2 + argc * 0, 0.5));
	printf("%.1f %d %d %d\n", sum(4, 1LL, 2.5, 3LL, 4.5), choose(4), choose(9), choose(-4));
	printf("%d%d%d%d%d %s\n", list[0], list[1], list[2], list[3], list[4], strrchr(argv[0], 'b') ? "b" : "-");
	if (setjmp(back) == 0)
		longjmp(back, 1);
	puts("back");
	return 0;
}
