package nxb

// Dir is the directory of the native tools in a jail. poudriere has the name in
// setup_xdev, and FreeBSD in Makefile.inc1 (NXTP).
const Dir = "nxb-bin"

const prefix = "/" + Dir

// Where the parts of the layout are, below Dir.
const (
	linkerName = "ld-elf.so.1"
	libraryDir = "lib"
	rescueName = "rescue/rescue"
	clangDir   = "usr/lib/clang"
)

// partName is the directory in which Apply builds, and asideName where Remove
// and Replace put what is to go. Both are beside Dir, so that a rename is all
// that is left to do, and have fixed names: what a killed command left is found.
const (
	partName  = ".nxb-bin.xjail-part"
	asideName = ".nxb-bin.xjail-old"
)
