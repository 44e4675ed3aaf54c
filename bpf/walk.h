//go:build ignore

// The walk through the headers of a frame, from the outside in, to a verdict. Included by filter.c, whose maps it reads.
#define IPPROTO_ETHERIP 97 // RFC 3378
#define MAX_OFFSET 4095    // bytes into the frame a header may start at; a bound that the verifier wants, beyond it: undecided

// What lies at the offset of the walk.
enum kind { NOTHING, ETHERNET, VLAN, LLC, MPLS, PPPOE, IPV4, IPV6, PROTOCOL, ERSPAN2, ERSPAN3 };

struct walk {
	struct xdp_md *ctx;
	__u32 offset, kind, value;  // value: EtherType, or protocol number
	__u32 verdict, hash;
	__u32 first, later;         // inside the first fragment of a tunnel's datagram; a later fragment of one
	struct datagram outer;
};

static __always_inline long end(struct walk *w, enum verdict v) { w->verdict = v; return 1; }

static __always_inline long go(struct walk *w, enum kind k, __u32 value) { w->kind = k; w->value = value; return 0; }

// at gives the next n bytes and steps over them, or ends the walk.
static __always_inline void *at(struct walk *w, __u32 n)
{
	void *data = (void *)(long)w->ctx->data, *data_end = (void *)(long)w->ctx->data_end;
	__u32 offset = w->offset;
	if (offset > MAX_OFFSET) // left at its first value, undecided
		return 0;
	void *p = data + offset;
	if (p + n > data_end) {
		if (data_end - data >= bpf_xdp_get_buff_len(w->ctx))
			w->verdict = VERDICT_TRUNCATED;
		return 0;
	}
	w->offset = offset + n;
	return p;
}

// The sum of a mix of each address: the same for both directions. Addresses only: fragments show no ports, and a connection's
// whole segments must meet its fragments.
static __always_inline __u32 mix(__u64 hi, __u64 lo)
{
	__u64 h = (hi ^ (lo >> 32 | lo << 32)) * 0x9e3779b97f4a7c15ULL;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ULL;
	return h >> 32;
}

static __always_inline __u32 pair4(__u8 *ip) { return mix(0, *(__u32 *)(ip + 12)) + mix(0, *(__u32 *)(ip + 16)); }

static __always_inline __u32 pair6(__u8 *ip)
{
	__u64 a[4];
	__builtin_memcpy(a, ip + 8, sizeof(a));
	return mix(a[0], a[1]) + mix(a[2], a[3]);
}

static __always_inline int watched(struct port_set *set, __u32 port) { return set->bits[port >> 3] >> (port & 7) & 1; }

// leads gives what an EtherType announces, 0 where it does not lead to IP.
static __always_inline enum kind leads(__u32 type)
{
	switch (type) {
	case 0x0800: return IPV4;
	case 0x86dd: return IPV6;
	case 0x8100: case 0x88a8: case 0x9100: case 0x9200: case 0x9300: return VLAN;
	case 0x8847: case 0x8848: return MPLS;
	case 0x8864: return PPPOE;
	case 0x6558: return ETHERNET;
	}
	return 0;
}

static __always_inline long ethertype(struct walk *w, __u32 type)
{
	enum kind k = type <= 1500 ? LLC : leads(type);
	return k ? go(w, k, 0) : end(w, VERDICT_NOT_IP);
}

// A fragment of TCP is kept by its addresses. Of a tunnel's datagram only the first fragment shows what is inside: it decides for the others.
static __always_inline long fragment(struct walk *w, __u32 protocol, __u32 id, __u32 later)
{
	if (protocol == IPPROTO_TCP)
		return end(w, VERDICT_FRAGMENT);
	if (w->first) // fragments within fragments: placed by the outer ones
		return end(w, VERDICT_FRAGMENT);
	w->outer.id = id;
	w->outer.protocol = protocol;
	w->first = !later;
	w->later = later;
	if (!later)
		return go(w, PROTOCOL, protocol);
	return end(w, VERDICT_FRAGMENT);
}

static __always_inline long ipv4(struct walk *w)
{
	__u8 *h = at(w, 20);
	if (!h)
		return 1;
	__u32 size = (h[0] & 15) * 4, frag = h[6] << 8 | h[7];
	if (h[0] >> 4 != 4 || size < 20)
		return end(w, VERDICT_MALFORMED);
	w->offset += size - 20;
	__u32 src = *(__u32 *)(h + 12), dst = *(__u32 *)(h + 16);
	w->hash = pair4(h);
	if (!(frag & 0x3fff))
		return go(w, PROTOCOL, h[9]);
	switch (h[9]) {
	case IPPROTO_TCP: case IPPROTO_UDP: case IPPROTO_GRE: case IPPROTO_IPIP: case IPPROTO_IPV6: case IPPROTO_AH: case IPPROTO_ETHERIP: case IPPROTO_MPLS: break;
	default: return end(w, VERDICT_NOT_TCP);
	}
	if (!w->first)
		w->outer = (struct datagram){ .src = { src }, .dst = { dst } };
	return fragment(w, h[9], h[4] << 8 | h[5], frag & 0x1fff);
}

static __always_inline long ipv6(struct walk *w)
{
	__u64 a[4];
	__u8 *h = at(w, 40);
	if (!h)
		return 1;
	if (h[0] >> 4 != 6)
		return end(w, VERDICT_MALFORMED);
	__builtin_memcpy(a, h + 8, sizeof(a));
	w->hash = pair6(h);
	if (!w->first)
		w->outer = (struct datagram){ .src = { a[0], a[1] }, .dst = { a[2], a[3] } };
	return go(w, PROTOCOL, h[6]);
}

static __always_inline long tcp(struct walk *w)
{
	__u32 zero = 0;
	__u8 *h = at(w, 4);
	struct port_set *set = bpf_map_lookup_elem(&ports, &zero);
	if (!h || !set)
		return 1;
	__u32 src = h[0] << 8 | h[1], dst = h[2] << 8 | h[3];
	if (watched(set, src) || watched(set, dst))
		return end(w, VERDICT_SEGMENT);
	return end(w, VERDICT_OTHER_PORT);
}

static __always_inline long gre(struct walk *w) // RFC 2784, 2890; ERSPAN: draft-foschiano-erspan
{
	__u8 *h = at(w, 4);
	if (!h)
		return 1;
	__u32 type = h[2] << 8 | h[3], flags = h[0];
	if (h[1] & 7) // version 1: PPTP, compressed
		return end(w, VERDICT_NOT_TCP);
	if (flags & 0x40) // source routes of RFC 1701: history, left to user space
		return end(w, VERDICT_UNDECIDED);
	w->offset += (flags & 0x80 ? 4 : 0) + (flags & 0x20 ? 4 : 0) + (flags & 0x10 ? 4 : 0);
	if (type == 0x88be) // type I has no sequence number, and no header of its own
		return go(w, flags & 0x10 ? ERSPAN2 : ETHERNET, 0);
	if (type == 0x22eb)
		return go(w, ERSPAN3, 0);
	return ethertype(w, type);
}

static __always_inline long udp(struct walk *w)
{
	__u8 *h = at(w, 8), *t;
	if (!h)
		return 1;
	__u32 port = h[2] << 8 | h[3];
	if (port != 4789 && port != 8472 && port != 4790 && port != 6081)
		return end(w, VERDICT_NOT_TCP);
	t = at(w, 8);
	if (!t)
		return 1;
	if (port == 6081) { // Geneve, RFC 8926
		w->offset += (t[0] & 63) * 4;
		return ethertype(w, t[2] << 8 | t[3]);
	}
	if (!(t[0] & 8)) // VXLAN, RFC 7348, and its generic protocol extension: no network identifier, so neither
		return end(w, VERDICT_NOT_TCP);
	if (port != 4790 || !(t[0] & 4) || t[3] == 3)
		return go(w, ETHERNET, 0);
	return t[3] == 1 ? go(w, IPV4, 0) : t[3] == 2 ? go(w, IPV6, 0) : t[3] == 5 ? go(w, MPLS, 0) : end(w, VERDICT_NOT_IP);
}

static __always_inline long protocol(struct walk *w)
{
	__u8 *h;
	switch (w->value) {
	case IPPROTO_TCP: return tcp(w);
	case IPPROTO_UDP: return udp(w);
	case IPPROTO_GRE: return gre(w);
	case IPPROTO_IPIP: return go(w, IPV4, 0);
	case IPPROTO_IPV6: return go(w, IPV6, 0);
	case IPPROTO_MPLS: return go(w, MPLS, 0); // RFC 4023
	case IPPROTO_ETHERIP: return at(w, 2) ? go(w, ETHERNET, 0) : 1;
	case IPPROTO_FRAGMENT:
		h = at(w, 8);
		if (!h)
			return 1;
		if (!(h[2] | (h[3] & 0xf9))) // an atomic fragment is whole, RFC 6946
			return go(w, PROTOCOL, h[0]);
		return fragment(w, h[0], *(__u32 *)(h + 4), h[2] << 8 | (h[3] & 0xf8));
	case IPPROTO_HOPOPTS: case IPPROTO_ROUTING: case IPPROTO_DSTOPTS: case 135: case 139: case 140: case IPPROTO_AH:
		h = at(w, 8);
		if (!h)
			return 1;
		w->offset += w->value == IPPROTO_AH ? h[1] * 4 : h[1] * 8;
		return go(w, PROTOCOL, h[0]);
	}
	return end(w, VERDICT_NOT_TCP);
}

static long step(__u32 i, struct walk *w)
{
	__u8 *h;
	switch (w->kind) {
	case ETHERNET:
		h = at(w, 14);
		return h ? ethertype(w, h[12] << 8 | h[13]) : 1;
	case VLAN:
		h = at(w, 4);
		return h ? ethertype(w, h[2] << 8 | h[3]) : 1;
	case LLC: // only SNAP (RFC 1042) leads to IP
		h = at(w, 8);
		return !h ? 1 : h[0] == 0xaa && h[1] == 0xaa && h[2] == 3 ? ethertype(w, h[6] << 8 | h[7]) : end(w, VERDICT_NOT_IP);
	case MPLS: // below the last label nothing names the payload: its first nibble does (RFC 4928)
		h = at(w, 22);
		if (!h)
			return 1;
		w->offset -= 18;
		if (!(h[2] & 1))
			return 0;
		if (h[4] >> 4 == 4 && (h[4] & 15) >= 5)
			return go(w, IPV4, 0);
		if (h[4] >> 4 == 4 || h[4] >> 4 == 6) // or the address of an Ethernet pseudowire
			return leads(h[16] << 8 | h[17]) ? end(w, VERDICT_UNDECIDED) : go(w, h[4] >> 4 == 4 ? IPV4 : IPV6, 0);
		w->offset += h[4] >> 4 == 0 && leads(h[20] << 8 | h[21]) ? 4 : 0; // control word of a pseudowire, RFC 4385
		return go(w, ETHERNET, 0);
	case PPPOE: // RFC 2516: 6 bytes, then the protocol of PPP; its rare forms (RFC 1661, 1662) are left to user space
		h = at(w, 8);
		if (!h)
			return 1;
		switch (h[6] << 8 | h[7]) {
		case 0x21: return go(w, IPV4, 0);
		case 0x57: return go(w, IPV6, 0);
		case 0x281: case 0x283: return go(w, MPLS, 0);
		}
		return end(w, h[6] & 1 ? VERDICT_UNDECIDED : VERDICT_NOT_IP);
	case ERSPAN2:
		h = at(w, 8);
		if (!h)
			return 1;
		if (h[0] >> 4 == 1)
			return go(w, ETHERNET, 0);
		w->offset -= 8; // type III under type II's number
		return go(w, ERSPAN3, 0);
	case ERSPAN3:
		h = at(w, 12);
		if (!h)
			return 1;
		if (h[0] >> 4 != 2)
			return end(w, VERDICT_MALFORMED);
		w->offset += h[11] & 1 ? 8 : 0; // O: platform specific subheader
		switch (h[10] >> 2 & 31) { // FT: frame type
		case 0: return go(w, ETHERNET, 0);
		case 2: h = at(w, 1); w->offset--; return h ? go(w, h[0] >> 4 == 6 ? IPV6 : IPV4, 0) : 1;
		}
		return end(w, VERDICT_NOT_IP);
	case IPV4: return ipv4(w);
	case IPV6: return ipv6(w);
	case PROTOCOL: return protocol(w);
	}
	return 1;
}
