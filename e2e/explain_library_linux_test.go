package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
)

// ppcLibraries is where Debian's cross compiler has the C library.
const ppcLibraries = "/usr/powerpc-linux-gnu/lib"

// dynamicRoot makes a root with a dynamic program of powerpc, which needs
// libword.so.1 in the version WORD_2 besides the C library, and an activator for
// it. The answers are asked of that root.
func (c *cell) dynamicRoot() []string {
	c.t.Helper()
	cc := "powerpc-linux-gnu-gcc"
	if _, err := exec.LookPath(cc); err != nil {
		c.t.Skipf("needs %s: e2e/setup.sh installs it", cc)
	}
	c.register("ppc", "powerpc", c.emulator("ppc"), "F")
	c.file("word.c", "int word1(void) { return 0; }\nint word2(void) { return 0; }\n", 0o644)
	c.file("prog.c", "int word2(void);\nint main(void) { return word2(); }\n", 0o644)
	c.file("old.map", "WORD_1 { word1; word2; };\n", 0o644)
	c.file("new.map", "WORD_1 { word1; };\nWORD_2 { word2; } WORD_1;\n", 0o644)
	c.sh(`mkdir -p root/bin root/lib root/tmp old
build() { ` + cc + ` -shared -fPIC -Wl,-soname,libword.so.1 -Wl,--version-script,$1.map -o $2 word.c; }
build new root/lib/libword.so.1
build old old/libword.so.1
` + cc + ` -o root/bin/prog prog.c root/lib/libword.so.1
cp ` + ppcLibraries + `/ld.so.1 ` + ppcLibraries + `/libc.so.6 root/lib/`)
	return []string{"--root", filepath.Join(c.dir, "root"), "/bin/prog"}
}

// brokenRoot is dynamicRoot after a script has run in the cell's directory.
func brokenRoot(script string) func(c *cell) []string {
	return func(c *cell) []string {
		args := c.dynamicRoot()
		c.sh(script)
		return args
	}
}

func librarySituations() []situation {
	mend := func(script string) func(*cell) { return func(c *cell) { c.sh(script) } }
	whole := mend("cp " + ppcLibraries + "/ld.so.1 " + ppcLibraries + "/libc.so.6 root/lib/")
	return []situation{
		{name: "dynamic linker missing", cause: "loader-missing", remedy: "xjail create powerpc", build: brokenRoot("rm root/lib/ld.so.1"), mend: whole},
		{name: "dynamic linker of the machine", cause: "loader-wrong-arch", build: brokenRoot("cp $(which true) root/lib/ld.so.1"), mend: whole},
		{name: "dynamic linker is text", cause: "loader-not-elf", build: brokenRoot("echo text > root/lib/ld.so.1"), mend: whole},
		{name: "C library missing", cause: "library-missing", build: brokenRoot("rm root/lib/libc.so.6"), mend: whole},
		{name: "C library cut off", cause: "library-damaged", build: brokenRoot("truncate -s 5000 root/lib/libc.so.6"), mend: whole},
		{name: "library missing", cause: "library-missing", build: brokenRoot("mv root/lib/libword.so.1 ."), mend: mend("cp libword.so.1 root/lib/")},
		{name: "library of Debian missing", cause: "library-missing", remedy: "apt-get install libword1", build: brokenRoot("mkdir root/etc; echo ID=debian > root/etc/os-release; mv root/lib/libword.so.1 ."), mend: mend("cp libword.so.1 root/lib/")},
		{name: "library of the machine", cause: "library-arch", build: brokenRoot("mv root/lib/libword.so.1 .; cp $(which true) root/lib/libword.so.1"), mend: mend("cp libword.so.1 root/lib/")},
		{name: "library too old", cause: "library-too-old", build: brokenRoot("cp root/lib/libword.so.1 .; cp old/libword.so.1 root/lib/"), mend: mend("cp libword.so.1 root/lib/")},
		{name: "library where nobody looks", cause: "library-missing", build: brokenRoot("mkdir root/opt; mv root/lib/libword.so.1 root/opt/"), mend: mend("ln -s ../opt/libword.so.1 root/lib/")},
		{name: "dynamic emulator", cause: "emulator-dynamic", errno: "ENOENT", build: func(c *cell) []string {
			args := c.dynamicRoot()
			c.empty()
			c.register("ppc", "powerpc", c.nativeProgram("qemu"), "F")
			return args
		}},
		{name: "emulator not in the root", cause: "emulator-missing", errno: "ENOENT", build: func(c *cell) []string {
			args := c.dynamicRoot()
			c.empty()
			c.register("ppc", "powerpc", c.emulator("ppc"), "")
			return args
		}},
		{name: "link that climbs", cause: "dangling-link", errno: "ENOENT", build: func(c *cell) []string {
			args := c.dynamicRoot()
			c.file("outside", "#!/bin/sh\n", 0o755)
			if err := os.Symlink("../../../../../.."+c.dir+"/outside", filepath.Join(c.dir, "root/bin/link")); err != nil {
				c.t.Fatal(err)
			}
			return append(args[:2:2], "/bin/link")
		}, mend: mend("ln -sfn ../../../../bin/prog root/bin/link")},
	}
}
