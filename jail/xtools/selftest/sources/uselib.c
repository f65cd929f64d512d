#include <stdio.h>
extern int lib_value;
extern __thread int lib_mine;
int lib_twice(int);
int main(void) {
	lib_mine = 2;
	printf("%d\n", lib_twice(lib_value));
	return 0;
}
