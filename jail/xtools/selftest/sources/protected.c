/* Frames in which the stack is protected: an array beside memory that is taken
   from the stack while it runs, and arguments that go by the stack. */
#ifdef __cplusplus
extern "C" {
#endif
int fill(char *p, int n);
int many(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j, int k, int l);
#ifdef __cplusplus
}
#endif

int beside(int n)
{
  char room[64];
  char *more = (char *) __builtin_alloca(n);
  fill(more, n);
  return fill(room, n) + room[n & 63];
}

int handed(int a, int b)
{
  char *more = (char *) __builtin_alloca(a);
  char room[500];
  fill(more, b);
  fill(room, a);
  return many(a, b, 1, 2, 3, 4, 5, 6, 7, 8, 9, more[0]) + room[b];
}
