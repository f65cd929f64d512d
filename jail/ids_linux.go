package jail

import "github.com/xjail/xjail/internal/fault"

// debianIDs is how many ids a Debian root needs: nobody is 65534.
const debianIDs = 65535

// enoughIDs refuses to begin what must fail for want of subordinate ids.
func enoughIDs() error {
	maps, err := planMaps()
	if err != nil {
		return err
	}
	sum := 0
	for _, m := range maps.uids {
		sum += m.count
	}
	if sum >= debianIDs {
		return nil
	}
	return fault.New(fault.Permission,
		SubordinateIDsHint+"; or run as root; or --from miniroot",
		"a Debian root has files of many users, and this user has %d id", sum)
}
