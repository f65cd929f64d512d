package formats

import (
	"fmt"
	"strings"

	"github.com/xjail/xjail/activators"
)

func writeAnsible(d *draft) []byte {
	if d.Kernel == freebsd {
		return d.ansibleFreeBSD()
	}
	var b strings.Builder
	b.WriteString(d.comment("#", "A playbook of ansible: activators of Linux's binfmt_misc: "+d.names()))
	b.WriteString(`- name: Activators of other architectures
  hosts: all
  become: true
  tasks:
    - name: Write the register lines
      ansible.builtin.copy:
        dest: /etc/binfmt.d/xjail-generated.conf
        owner: root
        group: root
        mode: "0644"
        content: |
          # Written by ansible.
`)
	for _, e := range d.entries {
		fmt.Fprintf(&b, "          %s\n", line(e))
	}
	b.WriteString(`      notify: Register activators
  handlers:
    - name: Register activators
      ansible.builtin.systemd:
        name: systemd-binfmt.service
        state: restarted
`)
	return []byte(b.String())
}

func (d *draft) ansibleFreeBSD() []byte {
	var b strings.Builder
	b.WriteString(d.comment("#", "A playbook of ansible: activators of FreeBSD's imgact_binmisc: "+d.names()))
	b.WriteString(`# Entries last until the next boot.
- name: Activators of other architectures
  hosts: all
  become: true
  tasks:
    - name: Load the kernel module
      ansible.builtin.command:
        argv: [kldload, -n, imgact_binmisc]
      changed_when: false
`)
	for _, e := range d.entries {
		fmt.Fprintf(&b, `    - name: %s
      ansible.builtin.command:
        argv: [binmiscctl, lookup, %s]
      register: xjail_lookup
      changed_when: false
      failed_when: false
      check_mode: false
    - name: %s
      ansible.builtin.command:
        argv:
%s      when: xjail_lookup.rc != 0
`, yamlQuote("Look for "+e.Name), yamlQuote(e.Name), yamlQuote("Register "+e.Name), yamlList(binmiscctlWords(e)))
	}
	return []byte(b.String())
}

// binmiscctlWords is the command that registers an entry.
func binmiscctlWords(e activators.Entry) []string {
	words := []string{"binmiscctl", "add", e.Name, "--interpreter", command(e), "--magic", escape(e.Magic), "--mask", escape(e.Mask), "--size", itoa(len(e.Magic))}
	return append(words, strings.Fields(serviceFlags(e))...)
}

func yamlList(words []string) string {
	var b strings.Builder
	for _, w := range words {
		fmt.Fprintf(&b, "          - %s\n", yamlQuote(w))
	}
	return b.String()
}

// yamlQuote is a text of YAML without escapes.
func yamlQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
