package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/xjail/xjail/hooks/poudriere/hook"
	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/advice"
)

// bulkProfiles is what ran emulated in the packages of builds.
type bulkProfiles struct {
	advice.Total
	Packages int             `json:"packages"`
	Programs []advice.Ranked `json:"programs"` // emulated, the dearest first
	Advice   *advice.Advice  `json:"advice"`   // what to make native next
}

// profileArgs takes the profiles out of what a report is about: files *.xprof, and
// directories of them.
func profileArgs(args []string) (profiles, rest []string) {
	for _, arg := range args {
		if st, err := os.Stat(arg); err == nil && st.IsDir() {
			if found := hook.ProfilesIn(arg); len(found) > 0 {
				profiles = append(profiles, found...)
				continue
			}
		}
		if filepath.Ext(arg) == ".xprof" {
			profiles = append(profiles, arg)
			continue
		}
		rest = append(rest, arg)
	}
	return profiles, rest
}

// readBulk sums profiles; nil for none.
func readBulk(ctx context.Context, g *globals, files []string) (*bulkProfiles, error) {
	if len(files) == 0 {
		return nil, nil
	}
	u, guest := advice.NewUsage(), ""
	err := g.eachProfile(ctx, files, func(name string, p *profile.Profile) {
		u.Add(name, p)
		guest = p.Guest
	})
	if err != nil {
		return nil, err
	}
	b := &bulkProfiles{Total: u.Total(), Packages: len(files), Programs: u.Rank()}
	options := advice.Options{}
	if guest != "freebsd" {
		cfg, err := g.loadConfig()
		if err != nil {
			return nil, err
		}
		b.Advice, err = adviseByPolicy(cfg, u, options, "native tools are looked for by another command", "xjail profile advice FILE...")
		return b, err
	}
	store, err := g.store()
	if err != nil {
		return nil, err
	}
	b.Advice = stamp(advice.Give(u, hook.StandIns(store, u.Jail()), options), "twin")
	return b, nil
}

// rankedRows is how many programs are shown.
const rankedRows = 20

func (b *bulkProfiles) print(g *globals) error {
	fmt.Fprintf(g.Stdout, "\nprofiles of %s: %s of CPU, %s emulated (%s)\n", packages(b.Packages), cpuSeconds(b.CPU), cpuSeconds(b.Emulated), share(b.Emulated, b.CPU))
	var rows [][]string
	for _, r := range b.Programs[:min(rankedRows, len(b.Programs))] {
		rows = append(rows, []string{
			cpuSeconds(r.CPU), share(r.CPU, b.Emulated), strconv.FormatInt(r.Execs, 10), strconv.Itoa(r.Subjects), printable(r.Program), printable(r.Most),
		})
	}
	if err := ui.Table(g.Stdout, []string{"EMULATED", "SHARE", "EXECS", "PACKAGES", "PROGRAM", "MOST IN"}, rows); err != nil {
		return err
	}
	if more := len(b.Programs) - rankedRows; more > 0 {
		fmt.Fprintf(g.Stdout, "%d more: --json has all\n", more)
	}
	if err := b.printNative(g); err != nil {
		return err
	}
	printNotes(g.Stdout, b.Advice.Notes)
	return nil
}

// printNative says what to make native next.
func (b *bulkProfiles) printNative(g *globals) error {
	fmt.Fprintln(g.Stdout, "\nmake native next")
	if len(b.Advice.Install) == 0 {
		_, err := fmt.Fprintln(g.Stdout, "  nothing more that there are native tools for is worth it")
		return err
	}
	for _, i := range b.Advice.Items {
		if !i.Install {
			continue
		}
		hint := ""
		if i.Hint != "" {
			hint = ": " + i.Hint
		}
		if _, err := fmt.Fprintf(g.Stdout, "  %s saves about %s of %s%s\n", itemName(&i), cpuSeconds(i.Saving), cpuSeconds(b.CPU), printable(hint)); err != nil {
			return err
		}
	}
	return nil
}

// printStatistics shows what became of builds.
func printStatistics(g *globals, list []hook.Build) error {
	if len(list) == 0 {
		return nil
	}
	var rows [][]string
	for _, b := range list {
		took := "-"
		if b.Seconds > 0 {
			took = (time.Duration(b.Seconds) * time.Second).String()
		}
		counts := []string{"-", "-", "-", "-", "-"} // poudriere does not tell how far a build came that crashed
		if b.Event == "done" {
			for i, n := range []int{b.Built, b.Failed, b.Skipped, b.Ignored, b.Fetched} {
				counts[i] = strconv.Itoa(n)
			}
		}
		rows = append(rows, append([]string{printable(b.Master), dash(printable(b.Build)), printable(b.Event), took}, counts...))
	}
	fmt.Fprintln(g.Stdout)
	return ui.Table(g.Stdout, []string{"JAIL", "BUILD", "END", "TOOK", "BUILT", "FAILED", "SKIPPED", "IGNORED", "FETCHED"}, rows)
}
