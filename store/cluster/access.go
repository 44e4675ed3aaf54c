package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// hba is pg_hba.conf: the first line that suits decides. The owner and root come in as the server's superuser; a user
// of the operating system as the role of the same name, if that is a member of one of tap25's roles for people. That a
// superuser is a member of all roles does not count here (PostgreSQL's manual, "The pg_hba.conf File"). A role that is
// missing has no members.
const hba = `# tap25 writes this file anew at each start: lines of your own would be lost.
local all         %[1]s            peer map=tap25
local replication %[1]s            peer map=tap25
local all         +tap25_sensor    reject
local postgres    +tap25_auditor   peer
local postgres    +tap25_approver  peer
local postgres    +tap25_admin     peer
`

// writeAccess writes who may connect, and reports whether that has changed. The caller holds start.lock.
func (c *Cluster) writeAccess() (changed bool, err error) {
	name := `"` + strings.ReplaceAll(c.name, `"`, `""`) + `"`
	for file, text := range map[string]string{
		"pg_hba.conf":   fmt.Sprintf(hba, name),
		"pg_ident.conf": fmt.Sprintf("tap25 root %s\ntap25 %[1]s %[1]s\n", name),
	} {
		wrote, err := c.replace(filepath.Join("data", file), text)
		if err != nil {
			return false, fmt.Errorf("configure the cluster: %w", err)
		}
		changed = changed || wrote
	}
	return changed, nil
}

// replace gives a file below the state directory a new text, unless it has it, and reports whether it did. The text is
// written to another file, which is renamed. The state directory belongs to the server's user: a link in it leads
// nowhere else, even if root follows it.
func (c *Cluster) replace(name, text string) (changed bool, err error) {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return false, err
	}
	defer root.Close()
	if old, err := root.ReadFile(name); err == nil && string(old) == text {
		return false, nil
	}
	fresh := name + ".new"
	if err := root.Remove(fresh); err != nil && !os.IsNotExist(err) {
		return false, err
	}
	f, err := root.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if _, err = f.WriteString(text); err == nil {
		err = f.Chown(c.uid, c.gid)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = root.Rename(fresh, name)
	}
	return err == nil, err
}
