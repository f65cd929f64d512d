/*
 * What runs below the process $1, and what bulk.d adds, a line for each event, fields between tabs.
 * %S escapes tabs, ends of lines and what else is not printable, so that no name
 * and no argument makes a line of its own.
 *
 *   B format time walltime       it has begun
 *   F time pid child jid         fork(2), vfork(2), rfork(2)
 *   X time pid jid jail cpu uticks sticks execname first previous last args
 *                                execve(2): the file that was asked for, and those
 *                                that it led to; cpu is that of the program before,
 *                                jail the name of its jail
 *   N time pid errno file        execve(2) failed
 *   E time pid reason status signal cpu uticks sticks maxrss
 *                                it has ended
 *   Z time                       the end
 *
 * Times and cpu are nanoseconds, ticks those of statclock, maxrss is in KiB.
 * Arguments are joined by 037; the kernel keeps them up to
 * kern.ps_arg_cache_limit bytes, and none when there are more. memstr() takes
 * 4096 bytes at most, and a string that is NULL cannot be printed.
 *
 * dtrace -n takes what is not a keyword for the name of a probe between clauses, so
 * that declarations begin with one, and cpu is a variable of its own.
 */
#pragma D option quiet
#pragma D option temporal
#pragma D option switchrate=10hz
#pragma D option bufsize=8m
#pragma D option dynvarsize=64m
#pragma D option strsize=1024

int traced[int];
unsigned long spent[int];
self string first;
self string previous;
self string last;
self int depth;

BEGIN
{
	traced[$1] = 1;
	printf("B\t2\t%d\t%d\n", timestamp, walltimestamp);
}

sched:::on-cpu
/traced[pid]/
{
	self->on = timestamp;
}

sched:::off-cpu
/self->on/
{
	spent[pid] += timestamp - self->on;
	self->on = 0;
}

proc:::create
/traced[pid]/
{
	traced[args[0]->p_pid] = 1;
	printf("F\t%d\t%d\t%d\t%d\n", timestamp, pid, args[0]->p_pid,
	    curthread->td_ucred->cr_prison->pr_id);
}

proc:::exec
/traced[pid] && args[0] != NULL/
{
	self->previous = self->last;
	self->last = stringof(args[0]);
	self->first = self->depth ? self->first : self->last;
	self->depth++;
}

proc:::exec-success
/traced[pid]/
{
	this->p = curthread->td_proc;
	this->used = spent[pid] + (self->on ? timestamp - self->on : 0);
	this->length = this->p->p_args == NULL ? 0 : this->p->p_args->ar_length;
	printf("X\t%d\t%d\t%d\t%S\t%d\t%d\t%d\t%S\t%S\t%S\t%S\t%S\n",
	    timestamp, pid, curthread->td_ucred->cr_prison->pr_id,
	    stringof(curthread->td_ucred->cr_prison->pr_name), this->used,
	    this->p->p_rux.rux_uticks + curthread->td_uticks,
	    this->p->p_rux.rux_sticks + curthread->td_sticks,
	    execname, self->depth ? self->first : execname,
	    self->depth > 1 ? self->previous : "",
	    self->depth ? self->last : execname,
	    this->length == 0 || this->length > 4096 ? "" :
	    memstr(this->p->p_args->ar_args, '\037', this->length));
	spent[pid] = 0;
	self->on = timestamp;
	self->first = 0;
	self->previous = 0;
	self->last = 0;
	self->depth = 0;
}

proc:::exec-failure
/traced[pid]/
{
	printf("N\t%d\t%d\t%d\t%S\n", timestamp, pid, (int)args[0],
	    self->depth ? self->first : "");
	self->first = 0;
	self->previous = 0;
	self->last = 0;
	self->depth = 0;
}

proc:::exit
/traced[pid]/
{
	this->p = curthread->td_proc;
	this->used = spent[pid] + (self->on ? timestamp - self->on : 0);
	printf("E\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
	    timestamp, pid, (int)args[0], this->p->p_xexit, this->p->p_xsig,
	    this->used, this->p->p_rux.rux_uticks + curthread->td_uticks,
	    this->p->p_rux.rux_sticks + curthread->td_sticks,
	    curthread->td_ru.ru_maxrss);
	spent[pid] = 0;
	traced[pid] = 0;
	self->on = 0;
}

END
{
	printf("Z\t%d\n", timestamp);
}
