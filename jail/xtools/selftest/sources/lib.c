/* A library: code, data, and storage of each thread. */
int lib_value = 20;
__thread int lib_mine = 1;
int lib_twice(int n) { return 2 * n + lib_mine; }
