package hook

import (
	"strings"

	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/xtools/nxb"
	"github.com/xjail/xjail/profile/advice"
)

// StandIns tells of programs of a jail of FreeBSD whether there are native ones:
// by what xjail has put into its /nxb-bin, and by the policy for what it would.
// The jail need not be there. Nothing is fetched or built for it.
func StandIns(store jail.Store, name string) func(path string) advice.Tool {
	var manifest *nxb.Manifest
	if r, err := store.Load(name); err == nil {
		_, manifest, _ = store.NxbOf(r.Root)
	}
	return func(path string) advice.Tool { return toolOf(manifest, name, strings.TrimPrefix(path, "/")) }
}

func toolOf(m *nxb.Manifest, jail, path string) advice.Tool {
	switch {
	case m != nil && m.Lookup(path) != nil:
		return advice.Tool{State: advice.Available, Why: "it is in /" + nxb.Dir + ", and was not laid over", Hint: "xjail poudriere hooks install, without --leave for it"}
	case path == "sbin/sysctl":
		return advice.Tool{State: advice.Excluded, Why: "tells the machine"}
	case strings.HasPrefix(path, "wrkdirs/"):
		return advice.Tool{State: advice.Built, Why: "the build made it"}
	case strings.HasPrefix(path, "usr/local/"):
		return advice.Tool{State: advice.Missing, Why: "it is of a port, and native tools are of the base system"}
	}
	wanted, why := nxb.Default(path)
	switch {
	case wanted:
		return advice.Tool{State: advice.Available, Hint: "xjail tools install " + jail + " twin"}
	case why != "":
		return advice.Tool{State: advice.Excluded, Why: why}
	}
	return advice.Tool{State: advice.Missing, Why: "it is not among the native tools"}
}
