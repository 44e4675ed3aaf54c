package confine

import (
	"os"
	"path/filepath"
)

// ReadablePath returns the directory to allow, so that a file stays readable after another was renamed over it, as
// editors and renewals do. Of a directory that holds all kinds of files it allows the file alone, as it is now.
func ReadablePath(path string) string {
	if path, err := filepath.EvalSymlinks(path); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			switch dir := filepath.Dir(path); dir {
			case "/", "/etc", "/root", "/tmp", "/run", "/home", os.Getenv("HOME"):
				return path
			default:
				return dir
			}
		}
	}
	return path
}

// ResolverFiles lists the files that resolving the name of a database server and checking its certificate may read.
func ResolverFiles() []string {
	return []string{
		ReadablePath("/etc/resolv.conf"), "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/ssl",
		"/etc/localtime",
		"/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	}
}
