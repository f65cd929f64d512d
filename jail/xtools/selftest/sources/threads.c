/* Threads, storage of their own, locks and atomic counters. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static __thread int mine = 5;
static atomic_int counted;
static int guarded;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *work(void *arg) {
	mine += *(int *)arg;
	for (int i = 0; i < 100; i++) {
		atomic_fetch_add(&counted, 1);
		pthread_mutex_lock(&lock);
		guarded++;
		pthread_mutex_unlock(&lock);
	}
	*(int *)arg = mine;
	return NULL;
}

int main(void) {
	pthread_t t[4];
	int arg[4] = {1, 2, 3, 4};
	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, work, &arg[i]))
			return 1;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("%d %d %d %d %d %d %d\n", arg[0], arg[1], arg[2], arg[3], mine, atomic_load(&counted), guarded);
	return 0;
}
