package sniff

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tap25/cmd/tap25/confine"
	"tap25/store"
	"tap25/store/stamp"
	"tap25/store/stream"
)

// confine gives up the rights that attaching took.
func (t *tap) confine() ([]string, error) {
	r := t.cfg.rights()
	if t.control != "" {
		r.Write = append(r.Write, filepath.Dir(t.control))
	}
	if err := t.out.rights(&r); err != nil {
		return nil, err
	}
	if t.cfg.User != "" {
		uid, gid, err := confine.LookupUser(t.cfg.User)
		if err != nil {
			return nil, err
		}
		r.UID, r.GID = uid, gid
	}
	if os.Geteuid() != 0 {
		r.UID = -1
	}
	if r.UID >= 0 && t.control != "" {
		if err := os.Chown(t.control, r.UID, r.GID); err != nil {
			return nil, err
		}
	}
	if r.UID >= 0 && t.out.spool() != "" {
		if err := giveSpool(t.out.spool(), r.UID, r.GID); err != nil {
			return nil, err
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		r.Read = append(r.Read, filepath.Join(home, ".pgpass"), filepath.Join(home, ".postgresql"))
	}
	notes, err := confine.To(r)
	if err == nil && t.out.spool() != "" {
		if err = unix.Faccessat(unix.AT_FDCWD, t.out.spool(), unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
			err = fmt.Errorf("write to the spool %s after giving up rights: %w; name its owner with --user",
				t.out.spool(), err)
		}
	}
	return notes, err
}

// rights returns what the settings need, whatever the output.
func (s *Settings) rights() confine.Rights {
	r := confine.Rights{UID: -1, GID: -1, Read: confine.ResolverFiles()}
	if s.ConfigFile != "" {
		r.Read = append(r.Read, confine.ReadablePath(s.ConfigFile))
	}
	if s.ScopeFile != "" {
		r.Read = append(r.Read, confine.ReadablePath(s.ScopeFile))
	}
	if port, err := stamp.Port(s.Timestamp); err == nil {
		r.Connect = append(r.Connect, port)
	}
	return r
}

// rights adds the directories of the spool and of the private cluster, and the user to become if root started tap25.
func (o *toDatabase) rights(r *confine.Rights) error {
	s := o.stream
	db := s.Database()
	r.Write = append(r.Write, s.Dir())
	if db.Cluster == nil {
		r.Connect = append(r.Connect, store.Ports(db.DSN)...)
		for _, file := range store.Files(db.DSN) {
			r.Read = append(r.Read, confine.ReadablePath(file))
		}
		r.UID, r.GID = confine.Keeper(s.Dir())
	} else {
		read, write := db.Cluster.Needs()
		r.Read, r.Write = append(r.Read, read...), append(r.Write, write...)
		r.UID, r.GID = db.Cluster.Owner()
		if os.Geteuid() == 0 {
			return db.Cluster.Give()
		}
	}
	return nil
}

// giveSpool gives a spool to the user that tap25 becomes.
func giveSpool(dir string, uid, gid int) error {
	err := confine.Give(dir, uid, gid)
	// The directory above, if it is the state directory's, lets its owner alone through.
	if base, baseErr := stream.SpoolBase(); err == nil && baseErr == nil && filepath.Dir(dir) == base {
		err = os.Lchown(base, uid, gid)
	}
	if err != nil {
		return fmt.Errorf("change the owner of the spool to the user that tap25 becomes: %w", err)
	}
	return nil
}
