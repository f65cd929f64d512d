# What make is asked to do by builds: rules by pattern, functions, a shell.
objects := $(patsubst %.c,mk-%.o,lib.c uselib.c)
all: mk-prog
mk-prog: $(objects)
	$(CC) -o $@ $^
mk-%.o: %.c
	$(CC) -O1 -c -o $@ $<
	@echo $(words $(objects)) `basename $@ .o` >>mk-log
