package inventory

// stat is what is asked of a file before it is read.
type stat struct {
	mode     uint32 // S_IFMT and permissions
	size     int64
	links    uint64
	dev, ino uint64
	mount    uint64 // the same for what is on one mount
}
