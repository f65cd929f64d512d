package main

// source is a package of Debian and how it is built: shell scripts that run in
// the unpacked source, in the jail.
type source struct {
	Name string
	// Of is the package's name in Debian, where that is another one: for a second
	// way to build it.
	Of string
	// Prepare runs once, in the native jail, and is not measured: what a release
	// of the package would have shipped.
	Prepare string
	// Configure and Make are measured, each by itself.
	Configure, Make string
	// Try runs what was built, and Want is what it must print.
	Try, Want string
	// Check is the package's own test suite.
	Check string
	// Libraries tells that it needs libraries which a cross compiler comes without.
	Libraries bool
	// Depends is what its debian/control needs for dpkg-buildpackage besides
	// debhelper.
	Depends []string
}

// packages are built as somebody would by hand. lua5.4 has a libtool of its own
// by Debian's patches. Its src/Makefile has the flags of each single compile from
// dpkg-buildflags, a program in Perl, as long as nobody gives them: so it is
// built with flags given, and, as lua5.4-rules, as its debian/rules does.
var packages = []*source{
	{
		Name:      "zlib",
		Configure: "./configure",
		Make:      "make -j1",
		Try:       "echo hello world | ./minigzip | ./minigzip -d && ./example",
		Want:      "uncompress(): hello, hello!",
		Check:     "make -j1 test",
	}, {
		// Without its target test, which runs what was built: see selftest.
		Name: "bzip2",
		Make: "make -j1 libbz2.a bzip2 bzip2recover",
		Try:  "export LD_LIBRARY_PATH=.; ./bzip2 -9 <words3 | ./bzip2 -d | cmp - words3 && ./bzip2 -d <sample1.bz2 | cmp - sample1.ref && echo round trip",
		Want: "round trip",
		// Its Makefile builds no test program: test compresses and compares.
		Check:   "make -j1 test",
		Depends: []string{"docbook-xml", "docbook2x", "texinfo", "xsltproc"},
	}, {
		Name:      "hello",
		Configure: "./configure",
		Make:      "make -j1",
		Try:       "./hello",
		Want:      "Hello, world!",
		Check:     "make -j1 check",
		Depends:   []string{"help2man", "texinfo"},
	}, {
		Name:      "jq",
		Libraries: true,
		Prepare:   "autoreconf -f -i",
		Configure: "./configure",
		Make:      "make -j1",
		Try:       `echo '{"a":[1,2,{"b":3.5}],"s":"x1y22"}' | ./jq -c '.a[2].b*2, (.a|length), (.s|[match("[0-9]+";"g").string])'`,
		Want:      "7\n3\n[\"1\",\"22\"]",
		Check:     "make -j1 check",
	}, {
		Name:      "lua5.4",
		Libraries: true,
		Prepare:   luaPrepare,
		Configure: luaConfigure,
		Make:      luaMake + "MYCFLAGS='-g -O2' MYCXXFLAGS='-g -O2' MYLDFLAGS= linux-readline",
		Try:       luaTry,
		Want:      luaWant,
		Check:     luaMake + "test",
	}, {
		Name:      "lua5.4-rules",
		Libraries: true,
		Of:        "lua5.4",
		Prepare:   luaPrepare,
		Configure: luaConfigure,
		Make:      luaMake + "linux-readline",
		Try:       luaTry,
		Want:      luaWant,
		Check:     luaMake + "test",
	},
}

// The two ways of lua5.4 have this in common: the scripts of debian/rules.
const (
	luaPrepare = `mkdir debian/libtool && cp debian/configure.ac debian/libtool/ &&
cd debian/libtool && LIBTOOLIZE='libtoolize -i' autoreconf -f -i`
	luaConfigure = `(cd debian/libtool && ./configure) &&
printf '#define DEB_HOST_MULTIARCH "%s"\n' "$(gcc -print-multiarch)" >src/lua5.4-deb-multiarch.h`
	luaTry  = `src/lua5.4 -e 'print(_VERSION, 1<<62, string.format("%a", 4/3))'`
	luaWant = "Lua 5.4\t4611686018427387904\t0x1.5555555555555p+0"
)

const luaMake = `m=$(gcc -print-multiarch) && make -j1 MYLIBS= "LIBTOOL=$PWD/debian/libtool/libtool" "CC=$m-gcc -std=gnu99" "CXX=$m-g++" "DEB_HOST_MULTIARCH=$m" `

// needed are the packages of Debian that the builds need in every jail, and in
// the native one.
var (
	needed       = []string{"build-essential", "file", "m4", "libonig-dev", "libreadline-dev"}
	neededNative = []string{"autoconf", "automake", "libtool"}
)
