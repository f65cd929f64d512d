package binfmt

import (
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/tabletest"
)

func TestSmoke(t *testing.T) {
	i := tabletest.Private(t)
	tab := New(i.Dir)
	t.Log(tab.Status())
	e := activators.Entry{Name: "a", Interpreter: "/bin/echo", Magic: activators.Hex("ABCD"), Enabled: true}
	t.Log(tab.Add(e))
	e.Name = "b"
	e.Enabled = false
	t.Log(tab.Add(e), tab.Add(e))
	t.Log(tab.List())
	t.Log(i.Run("sh", "-c", "id; printf ABCDE > /tmp/xjail-zzz; chmod +x /tmp/xjail-zzz; /tmp/xjail-zzz a b; rm /tmp/xjail-zzz"))
	t.Log(tab.Remove("a"), tab.Remove("a"), tab.Remove("status"))
	t.Log(tab.Status())
}
