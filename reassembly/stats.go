package reassembly

// Add adds the counters of another Assembler.
func (s *Stats) Add(o *Stats) {
	for v := range s.Frames {
		s.Frames[v] += o.Frames[v]
	}
	s.Fragments.Add(&o.Fragments)
	s.Elsewhere.Add(&o.Elsewhere)
	s.Unread.Merge(&o.Unread)
	s.SMTP.Add(&o.SMTP)
	s.ClockSkew = max(s.ClockSkew, o.ClockSkew)
	for _, c := range []struct {
		sum *int64
		n   int64
	}{
		{&s.ToServers, o.ToServers}, {&s.FromServers, o.FromServers}, {&s.Sessions, o.Sessions},
		{&s.PayloadBytes, o.PayloadBytes}, {&s.DeliveredBytes, o.DeliveredBytes},
		{&s.DuplicateBytes, o.DuplicateBytes}, {&s.UnseenBytes, o.UnseenBytes},
		{&s.IgnoredBytes, o.IgnoredBytes}, {&s.LostBytes, o.LostBytes},
		{&s.Cut, o.Cut}, {&s.CutBytes, o.CutBytes},
		{&s.FramesLost, o.FramesLost}, {&s.BadChecksums, o.BadChecksums}, {&s.Conflicts, o.Conflicts},
		{&s.Uncompared, o.Uncompared},
		{&s.IgnoredResets, o.IgnoredResets}, {&s.HalfOpenEvicted, o.HalfOpenEvicted}, {&s.HalfOpenIdle, o.HalfOpenIdle},
		{&s.HolesEvicted, o.HolesEvicted}, {&s.ConnsEvicted, o.ConnsEvicted}, {&s.Idle, o.Idle},
		{&s.Unfinished, o.Unfinished},
		{&s.Abandoned, o.Abandoned}, {&s.CopiedRows, o.CopiedRows}, {&s.Steps, o.Steps},
	} {
		*c.sum += c.n
	}
}
