//go:build ignore

// The walk through the headers of a frame, from the outside in, to a verdict. Included by filter.c, whose maps it reads.
#define BRIDGED 0x6558   // transparent Ethernet bridging: an Ethernet header, with which every frame begins
#define PROTOCOL 0x10000 // walk.next is an EtherType (up to 1500 a length of LLC), or this and a protocol number
#define be16(p) bpf_ntohs(*(__be16 *)(p))

struct walk {
	__u32 offset, next; // what lies at the offset
	__u32 verdict, hash;
	__u32 first, later; // inside the first fragment of a datagram that is not TCP; a later one of it
	__u32 doubt;        // passed a header that can be read in two ways: what lies behind it is not dropped
	struct datagram outer;
	__u8 h[40];         // the header at hand
};
struct way { struct xdp_md *ctx; struct walk *w; };

// TAKE copies the next n octets to w->h and steps over them; a frame that has fewer is truncated.
#define TAKE(n) do { if (bpf_xdp_load_bytes(ctx, w->offset, w->h, n)) return end(w, VERDICT_TRUNCATED); w->offset += (n); } while (0)

static __always_inline long end(struct walk *w, enum verdict v) { w->verdict = v; return 1; }

static __always_inline long go(struct walk *w, __u32 next) { w->next = next; return 0; }

// The sum of a mix of each address: the same for both directions. Addresses only: fragments show no ports, and a connection's
// whole segments must meet its fragments.
static __always_inline __u32 mix(__u64 hi, __u64 lo)
{
	__u64 h = (hi ^ (lo >> 32 | lo << 32)) * 0x9e3779b97f4a7c15ULL;
	return ((h ^ h >> 29) * 0xbf58476d1ce4e5b9ULL) >> 32;
}

static __always_inline __u32 pair4(void *a) { return mix(0, *(__u32 *)a) + mix(0, *(__u32 *)(a + 4)); }

static __always_inline __u32 pair6(void *a) { return mix(*(__u64 *)a, *(__u64 *)(a + 8)) + mix(*(__u64 *)(a + 16), *(__u64 *)(a + 24)); }

static __always_inline int watched(__u8 *t) // one of the two ports at t
{
	__u32 src = be16(t), dst = be16(t + 2);
	return (ports[src >> 3] >> (src & 7) | ports[dst >> 3] >> (dst & 7)) & 1;
}

// VXLAN (RFC 7348), Linux's port before it had one, its generic protocol extension, Geneve (RFC 8926).
static __always_inline int tunnel(__u32 port) { return port == 4789 || port == 8472 || port == 4790 || port == 6081; }

static __always_inline int leads(__u32 t) // an EtherType, to IP
{
	return t == 0x0800 || t == 0x86dd || t == 0x8100 || t == 0x88a8 || t == 0x9100 || t == 0x9200 || t == 0x9300 || t == 0x8847 || t == 0x8848 || t == 0x8864 || t == BRIDGED;
}

// A fragment of TCP is kept by its addresses. Of another datagram only the first fragment shows what is inside: it decides for the others.
static __always_inline long fragment(struct walk *w, __u32 protocol, __u32 id, __u32 later)
{
	if (protocol == IPPROTO_TCP || w->first) // fragments within fragments: placed by the outer ones
		return end(w, VERDICT_FRAGMENT);
	w->outer.id = id;
	w->outer.protocol = protocol;
	w->first = !later;
	w->later = later;
	return later ? end(w, VERDICT_UNDECIDED) : go(w, PROTOCOL | protocol);
}

static __always_inline long ipv4(struct xdp_md *ctx, struct walk *w, __u8 *h)
{
	TAKE(20);
	if (h[0] >> 4 != 4 || (h[0] & 15) < 5)
		return end(w, VERDICT_MALFORMED);
	w->offset += (h[0] & 15) * 4 - 20;
	w->hash = pair4(h + 12);
	if (!w->first)
		__builtin_memcpy(w->outer.addresses, h + 12, 8);
	return be16(h + 6) & 0x3fff ? fragment(w, h[9], be16(h + 4), be16(h + 6) & 0x1fff) : go(w, PROTOCOL | h[9]);
}

static __always_inline long ipv6(struct xdp_md *ctx, struct walk *w, __u8 *h)
{
	TAKE(40);
	if (h[0] >> 4 != 6)
		return end(w, VERDICT_MALFORMED);
	w->hash = pair6(h + 8);
	if (!w->first)
		__builtin_memcpy(w->outer.addresses, h + 8, 32);
	return go(w, PROTOCOL | h[6]);
}

// Below the last label nothing names the payload: its first nibble does (RFC 4928), unless it belongs to the address of an Ethernet
// pseudowire, with or without a control word (RFC 4385), which the EtherType behind it shows.
static __always_inline long mpls(struct xdp_md *ctx, struct walk *w, __u8 *h)
{
	TAKE(4);
	if (!(h[2] & 1))
		return 0;
	TAKE(18);
	__u32 ethernet = leads(be16(h + 12)), v4 = h[0] >> 4 == 4 && ((h[0] & 15) >= 5 || !ethernet), v6 = h[0] >> 4 == 6;
	w->doubt |= v6 && ethernet;
	w->offset -= h[0] >> 4 == 0 && leads(be16(h + 16)) ? 14 : 18;
	return go(w, v4 ? 0x0800 : v6 && !ethernet ? 0x86dd : BRIDGED);
}

static __always_inline long gre(struct xdp_md *ctx, struct walk *w, __u8 *h) // RFC 2784, 2890
{
	TAKE(4);
	if (h[1] & 7) // version 1: PPTP, compressed
		return end(w, VERDICT_NOT_TCP);
	if (h[0] & 0x40) // source routes of RFC 1701: history, left to user space
		return end(w, VERDICT_UNDECIDED);
	w->offset += (h[0] >> 7 & 1) * 4 + (h[0] >> 5 & 1) * 4 + (h[0] >> 4 & 1) * 4;
	return go(w, be16(h + 2) == 0x88be && !(h[0] & 0x10) ? BRIDGED : be16(h + 2)); // ERSPAN I has no header of its own
}

static __always_inline long udp(struct xdp_md *ctx, struct walk *w, __u8 *h)
{
	TAKE(8);
	__u32 port = be16(h + 2);
	if (!tunnel(port))
		return end(w, VERDICT_NOT_TCP);
	TAKE(8);
	if (port == 6081) {
		w->offset += (h[0] & 63) * 4;
		return h[0] >> 6 ? end(w, VERDICT_MALFORMED) : go(w, be16(h + 2));
	}
	if (!(h[0] & 8)) // no network identifier, so no VXLAN
		return end(w, VERDICT_NOT_TCP);
	return port == 4790 && h[0] & 4 && h[3] != 3 ? end(w, VERDICT_UNDECIDED) : go(w, BRIDGED); // without Ethernet: left to user space
}

static long step(__u32 i, struct way *way)
{
	struct xdp_md *ctx = way->ctx;
	struct walk *w = way->w;
	__u8 *h = w->h;
	switch (w->next) {
	case BRIDGED: TAKE(14); return go(w, be16(h + 12));
	case 0x8100: case 0x88a8: case 0x9100: case 0x9200: case 0x9300: TAKE(4); return go(w, be16(h + 2));
	case 0x0800: case PROTOCOL | IPPROTO_IPIP: return ipv4(ctx, w, h);
	case 0x86dd: case PROTOCOL | IPPROTO_IPV6: return ipv6(ctx, w, h);
	case 0x8847: case 0x8848: case PROTOCOL | IPPROTO_MPLS: return mpls(ctx, w, h);
	case 0x8864: // PPPoE, RFC 2516: 6 octets, then PPP's protocol, whose rare forms (RFC 1661, 1662) are left to user space
		TAKE(8);
		switch (h[0] == 0x11 && !h[1] ? be16(h + 6) : 0) {
		case 0x21: return go(w, 0x0800);
		case 0x57: return go(w, 0x86dd);
		case 0x281: case 0x283: return go(w, 0x8847);
		}
		return end(w, h[6] & 1 ? VERDICT_UNDECIDED : VERDICT_NOT_IP);
	case 0x88be: case 0x22eb: // ERSPAN II and III, draft-foschiano-erspan, the latter under either number
		TAKE(8);
		if (h[0] >> 4 != 2)
			return h[0] >> 4 == 1 ? go(w, BRIDGED) : end(w, VERDICT_MALFORMED);
		TAKE(4);
		w->offset += (h[3] & 1) * 8; // O: platform specific subheader
		return h[2] & 0x7c ? end(w, VERDICT_UNDECIDED) : go(w, BRIDGED); // FT: no Ethernet in it
	case 0 ... 1500: // LLC: only SNAP (RFC 1042) leads to IP
		TAKE(8);
		return h[0] == 0xaa && h[1] == 0xaa && h[2] == 3 ? go(w, be16(h + 6)) : end(w, VERDICT_NOT_IP);
	case PROTOCOL | IPPROTO_TCP: TAKE(4); return end(w, watched(h) ? VERDICT_SEGMENT : VERDICT_OTHER_PORT);
	case PROTOCOL | IPPROTO_UDP: return udp(ctx, w, h);
	case PROTOCOL | IPPROTO_GRE: return gre(ctx, w, h);
	case PROTOCOL | 97: TAKE(2); return go(w, BRIDGED); // EtherIP, RFC 3378
	case PROTOCOL | IPPROTO_FRAGMENT: // one with neither offset nor more is whole, RFC 6946
		TAKE(8);
		return be16(h + 2) & 0xfff9 ? fragment(w, h[0], *(__u32 *)(h + 4), be16(h + 2) & 0xfff8) : go(w, PROTOCOL | h[0]);
	case PROTOCOL | IPPROTO_HOPOPTS: case PROTOCOL | IPPROTO_ROUTING: case PROTOCOL | IPPROTO_DSTOPTS: case PROTOCOL | IPPROTO_AH:
	case PROTOCOL | 135: case PROTOCOL | 139: case PROTOCOL | 140: // mobility, HIP, shim6
		TAKE(8);
		w->offset += h[1] * (w->next == (PROTOCOL | IPPROTO_AH) ? 4 : 8);
		return go(w, PROTOCOL | h[0]);
	}
	return end(w, w->next & PROTOCOL ? VERDICT_NOT_TCP : VERDICT_NOT_IP);
}
