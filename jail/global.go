package jail

// globalJails are the records of the jails that use the machine's activator of
// an architecture, without the jail except.
func (s Store) globalJails(archName, except string) ([]*Record, error) {
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	var users []*Record
	for _, name := range names {
		if r, err := s.Load(name); name != except && err == nil && r.Global && r.Arch == archName {
			users = append(users, r)
		}
	}
	return users, nil
}
