/*
 * What runs in the jails whose names begin with $$2 is followed too, from the
 * first execve(2) in one of them on. A process in a jail of poudriere's is put
 * there by jexec(8), which executes something else next.
 *
 *   T time walltime              a second has gone by
 *
 * The last tells how far time has come where nothing happens, and lets dtrace
 * notice that nobody reads what it prints.
 */
proc:::exec
/!traced[pid] && curthread->td_ucred->cr_prison->pr_id != 0 &&
    substr(stringof(curthread->td_ucred->cr_prison->pr_name), 0, strlen($$2)) == $$2/
{
	traced[pid] = 1;
}

profile:::tick-1sec
{
	printf("T\t%d\t%d\n", timestamp, walltimestamp);
}

