package reassembly

// FragmentStats counts IP fragments by what became of them: In is the sum of
// Reassembled to Held.
type FragmentStats struct {
	In          int64
	Reassembled int64 // part of a datagram that became whole
	Duplicate   int64 // brought nothing that was not there
	Overlapping int64 // contradicted what was there: the fragment (IPv4), all of its datagram (IPv6, RFC 5722)
	Irrelevant  int64 // the first fragment shows that there is no TCP of the ports in the datagram
	Bad         int64 // impossible length or offset, wrong header checksum, cut by the snaplen
	Expired     int64 // the rest did not come in time
	Evicted     int64 // pushed out by newer ones: the limit of datagrams or of bytes
	Held        int64 // waiting for the rest

	Datagrams    int64 // datagrams that became whole
	DontFragment int64 // fragments with DF set, which RFC 791 forbids and some stacks send
}
