package main

// applets are all commands, in the order of their names.
func applets() []applet {
	return []applet{
		{"[", "EXPRESSION ]", runTest, raw},
		{"arch", "", runArch, inside},
		{"base64", "[-d] [-w COLUMNS] [FILE]", runBase64, reads},
		{"basename", "[-a] [-s SUFFIX] NAME [SUFFIX]", runBasename, inside},
		{"cat", "[-n] [-u] [FILE]...", runCat, reads},
		{"chmod", "[-R] [-v] MODE FILE...", runChmod, inside},
		{"chown", "[-R] [-h] [OWNER][:GROUP] FILE...", runChown, inside},
		{"cmp", "[-l] [-s] FILE1 [FILE2]", runCmp, reads},
		{"cp", "[-a] [-r] [-p] [-d] [-L] [-f] [-i] [-n] [-u] [-l] [-s] [-v] [-T] [-t DIR] SOURCE... TARGET", runCp, inside},
		{"cut", "-b LIST | -c LIST | -f LIST [-d CHAR] [-s] [FILE]...", runCut, reads},
		{"dirname", "NAME...", runDirname, inside},
		{"echo", "[-n] [-e] [WORD]...", runEcho, raw},
		{"egrep", "[OPTION]... PATTERN [FILE]...", runGrep, reads},
		{"env", "[-i] [-u NAME] [-C DIR] [NAME=VALUE]... [COMMAND [ARG]...]", runEnv, reads},
		{"expr", "EXPRESSION", runExpr, raw},
		{"false", "", runFalse, raw},
		{"fgrep", "[OPTION]... PATTERN [FILE]...", runGrep, reads},
		{"grep", "[-E|-F|-G] [-i] [-v] [-c] [-n] [-l] [-L] [-q] [-r] [-o] [-w] [-x] [-h] [-H] [-s] [-m N] [-A N] [-B N] [-C N] [-e PATTERN] [-f FILE] PATTERN [FILE]...", runGrep, reads},
		{"head", "[-n LINES] [-c BYTES] [-q] [-v] [FILE]...", runHead, reads},
		{"hostname", "[-s]", runHostname, inside},
		{"id", "[-u] [-g] [-G] [-n] [-r] [USER]", runID, inside},
		{"kill", "[-s SIGNAL] PID... | -l [STATUS]", runKill, raw},
		{"ln", "[-s] [-f] [-n] [-r] [-v] [-T] TARGET... LINK", runLn, inside},
		{"ls", "[-a] [-A] [-l] [-1] [-d] [-R] [-h] [-i] [-n] [-F] [-p] [-r] [-t] [-S] [-s] [-L] [FILE]...", runLs, inside},
		{"md5sum", "[-c] [FILE]...", runSum, reads},
		{"mkdir", "[-p] [-m MODE] [-v] DIRECTORY...", runMkdir, inside},
		{"mkfifo", "[-m MODE] FILE...", runMkfifo, inside},
		{"mktemp", "[-d] [-u] [-q] [-p DIR] [-t] [TEMPLATE]", runMktemp, inside},
		{"mv", "[-f] [-i] [-n] [-u] [-v] [-T] [-t DIR] SOURCE... TARGET", runMv, inside},
		{"nohup", "COMMAND [ARG]...", runNohup, outside},
		{"nproc", "", runNproc, inside},
		{"printenv", "[NAME]...", runPrintenv, inside},
		{"printf", "FORMAT [ARGUMENT]...", runPrintf, raw},
		{"pwd", "[-L] [-P]", runPwd, inside},
		{"readlink", "[-f] [-e] [-m] [-n] FILE...", runReadlink, inside},
		{"realpath", "[-e] [-m] [-s] FILE...", runRealpath, inside},
		{"rm", "[-r] [-f] [-i] [-d] [-v] FILE...", runRm, inside},
		{"rmdir", "[-p] DIRECTORY...", runRmdir, inside},
		{"seq", "[-s SEPARATOR] [-w] [FIRST [STEP]] LAST", runSeq, inside},
		{"sh", "[-aefnux] [-l] [-s | -c COMMAND [NAME] | FILE] [ARG]...", runShell, outside},
		{"sha1sum", "[-c] [FILE]...", runSum, reads},
		{"sha256sum", "[-c] [FILE]...", runSum, reads},
		{"sha512sum", "[-c] [FILE]...", runSum, reads},
		{"sleep", "SECONDS...", runSleep, inside},
		{"sort", "[-b] [-c] [-f] [-n] [-r] [-u] [-s] [-k KEY] [-t CHAR] [-o FILE] [-z] [FILE]...", runSort, reads},
		{"stty", "[-a] | size | [-]echo | [-]icanon | sane | raw", runStty, inside},
		{"sync", "", runSync, inside},
		{"tail", "[-n LINES] [-c BYTES] [-f] [-q] [-v] [FILE]...", runTail, reads},
		{"tee", "[-a] [-i] [FILE]...", runTee, reads},
		{"test", "EXPRESSION", runTest, raw},
		{"timeout", "[-s SIGNAL] [-k SECONDS] SECONDS COMMAND [ARG]...", runTimeout, outside},
		{"touch", "[-a] [-m] [-c] [-d TIME] [-r FILE] [-t STAMP] FILE...", runTouch, inside},
		{"tr", "[-c] [-d] [-s] SET1 [SET2]", runTr, reads},
		{"true", "", runTrue, raw},
		{"tty", "[-s]", runTty, inside},
		{"umask", "[-S] [MODE]", runUmask, inside},
		{"uname", "[-a] [-s] [-n] [-r] [-v] [-m] [-p] [-i] [-o]", runUname, inside},
		{"uniq", "[-c] [-d] [-u] [-i] [-f FIELDS] [-s CHARS] [INPUT [OUTPUT]]", runUniq, reads},
		{"wc", "[-c] [-l] [-w] [-m] [-L] [FILE]...", runWc, reads},
		{"which", "[-a] COMMAND...", runWhich, inside},
		{"whoami", "", runWhoami, inside},
		{"xargs", "[-0] [-r] [-t] [-n ARGS] [-L LINES] [-I TEXT] [-P N] [COMMAND [ARG]...]", runXargs, reads},
		{"yes", "[WORD]...", runYes, inside},
	}
}

// lookup finds a command by its name.
func lookup(name string) (applet, bool) {
	for _, a := range applets() {
		if a.name == name {
			return a, true
		}
	}
	return applet{}, false
}
