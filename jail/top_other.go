//go:build !linux && !freebsd

package jail

import "github.com/xjail/xjail/internal/fault"

func (s Store) processes(*Record, *onlooker) ([]Process, error) {
	return nil, fault.New(fault.Unsupported, "", "jails are entered on Linux and FreeBSD")
}
