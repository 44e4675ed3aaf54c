package psql

import (
	"fmt"
	"os"
	"os/user"
	"strings"

	"golang.org/x/sys/unix"

	"tap25/store"
)

// Opener returns who runs this process, as the operating system has it.
func Opener() store.Opener {
	return store.Opener{User: userName(fmt.Sprint(os.Getuid())), Login: login(), Terminal: terminalName()}
}

// login returns who has logged in, whatever su and sudo made of it since; "" if the kernel does not know (proc(5),
// /proc/pid/loginuid).
func login() string {
	const unset = "4294967295"
	text, err := os.ReadFile("/proc/self/loginuid")
	uid := strings.TrimSpace(string(text))
	if err != nil || uid == unset || uid == "" {
		return ""
	}
	return userName(uid)
}

func userName(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return fmt.Sprintf("%s (uid %s)", u.Username, uid)
	}
	return "uid " + uid
}

// terminalName returns the terminal that is this process's input, output or error; "" if there is none.
func terminalName() string {
	for fd := range 3 {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
			name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			return name
		}
	}
	return ""
}
