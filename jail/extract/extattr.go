package extract

// parseExtattrs reads a list of extattr_list_fd(2): each name after one byte with
// its length, none ended by a NUL, none with its namespace. What is cut off is left
// out.
func parseExtattrs(list []byte, namespace string) []string {
	var names []string
	for len(list) > 0 {
		n := int(list[0])
		if list = list[1:]; n > len(list) {
			break
		}
		if n > 0 {
			names = append(names, namespace+string(list[:n]))
		}
		list = list[n:]
	}
	return names
}
