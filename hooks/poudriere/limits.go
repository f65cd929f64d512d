package poudriere

// limit is a time after which poudriere kills what a build runs.
type limit struct {
	name    string
	seconds int // poudriere's own value
	// emulated: under emulation poudriere puts this value, unchanged, in the place
	// of the one that is named, whatever a configuration says of that.
	emulated string
}

// limits are poudriere's, with the values that common.sh sets where no
// configuration does. In an emulated jail jail_start replaces MAX_EXECUTION_TIME
// and NOHANG_TIME by those that begin with QEMU_, and leaves the other four.
var limits = []limit{
	{"MAX_EXECUTION_TIME", 86400, ""},
	{"MAX_EXECUTION_TIME_EXTRACT", 3600, ""},
	{"MAX_EXECUTION_TIME_INSTALL", 3600, ""},
	{"MAX_EXECUTION_TIME_PACKAGE", 7200, ""},
	{"MAX_EXECUTION_TIME_DEINSTALL", 3600, ""},
	{"NOHANG_TIME", 7200, ""},
	{"QEMU_MAX_EXECUTION_TIME", 345600, "MAX_EXECUTION_TIME"},
	{"QEMU_NOHANG_TIME", 21600, "NOHANG_TIME"},
}

// LimitNames are the names of poudriere's limits, in the order of its own
// configuration.
func LimitNames() []string {
	var names []string
	for _, l := range limits {
		names = append(names, l.name)
	}
	return names
}
