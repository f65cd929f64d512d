//go:build !freebsd

package freebsd

import "syscall"

func rawSysctl(string, []byte, []byte) (int, error) { return 0, syscall.ENOSYS }

func unload(string) error { return syscall.ENOSYS }
