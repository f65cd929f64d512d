//go:build !linux && !freebsd

package doctor

import "errors"

func readSysctl(string) (int, error) { return 0, errors.ErrUnsupported }

func statVolume(string) (volume, error) { return volume{}, errors.ErrUnsupported }

func listMounts() ([]mount, error) { return nil, errors.ErrUnsupported }

func kernelRelease() string { return "" }
