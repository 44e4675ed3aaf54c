// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// The walk through the headers of a frame, from the outermost inwards, to a verdict. filter.c includes it; it reads that
// file's maps and constants.

// PROTOCOL marks a value of walk.next that is an IP protocol number. Without it next is an EtherType, or up to 1500 the
// length field of an LLC frame.
#define PROTOCOL 0x10000

struct walk {
	__u32 offset; // of the next header
	__u32 next;   // what that header is
	__u32 verdict;
	__u32 hash;         // of the innermost pair of addresses
	__u32 first, later; // inside the first, or in a later, fragment of a datagram that is not TCP
	__u32 doubt;        // passed a header that can be read in two ways
	__u32 unread;       // what a frame holds that is dropped
	__u32 path;         // of the tags and tunnels so far
	struct datagram outer;
	__u8 h[40]; // the header at hand
};

struct way {
	CONTEXT *ctx;
	struct walk *w;
};

// TAKE copies the next n octets to w->h and steps over them. A frame that has fewer is truncated.
#define TAKE(n)                                            \
	do {                                                   \
		if (fetch(ctx, w, n))                              \
			return end(w, VERDICT_TRUNCATED);              \
		w->offset += (n);                                  \
	} while (0)

// copy copies n octets, an even number of them, by words: the compiler would do so octet by octet.
INLINE void copy(void *to, void *from, __u32 n)
{
	__u32 i = 0;
#pragma unroll
	for (; i + 8 <= n; i += 8)
		*(__u64 *)(to + i) = *(__u64 *)(from + i);
	if (n & 4) {
		*(__u32 *)(to + i) = *(__u32 *)(from + i);
		i += 4;
	}
	if (n & 2)
		*(__u16 *)(to + i) = *(__u16 *)(from + i);
}

// NEAR bounds the offsets of headers that are read without a call.
#define NEAR 4096

// fetch copies the next n octets to w->h. It returns a negative number if the frame has fewer. A call of load_bytes costs
// several times what the copy does. Only what is not in the first buffer of the frame, or far into it, takes one.
INLINE long fetch(CONTEXT *ctx, struct walk *w, __u32 n)
{
	__u64 offset = w->offset;
	KEEP(offset);
	if (offset <= NEAR) {
		void *header = (void *)(long)ctx->data + offset;
		if (header + n <= (void *)(long)ctx->data_end) {
			copy(w->h, header, n);
			return 0;
		}
	}
	return load_bytes(ctx, w->offset, w->h, n);
}

// end ends the walk with a verdict.
INLINE long end(struct walk *w, enum verdict v)
{
	w->verdict = v;
	return 1;
}

// go continues the walk with the next header.
INLINE long go(struct walk *w, __u32 next)
{
	w->next = next;
	return 0;
}

// keep notes the addresses of the header that may turn out to be a fragment's.
INLINE void keep(struct walk *w, void *addresses, int n)
{
	if (!w->first)
		__builtin_memcpy(w->outer.addresses, addresses, n);
}

// The hash is a sum, so that both directions have the same. It is of addresses only: fragments show no ports and must
// meet their connection.
INLINE __u32 mix(__u64 a)
{
	a *= 0x9e3779b97f4a7c15ULL;
	return ((a ^ a >> 29) * 0xbf58476d1ce4e5b9ULL) >> 32;
}

INLINE __u32 pair4(void *a)
{
	return mix(*(__u32 *)a) + mix(*(__u32 *)(a + 4));
}

INLINE __u32 pair6(void *a)
{
	return mix(*(__u64 *)a * 31 + *(__u64 *)(a + 8)) + mix(*(__u64 *)(a + 16) * 31 + *(__u64 *)(a + 24));
}

INLINE int bit(__u8 *set, __u16 *p)
{
	return set[*p >> 3] >> (*p & 7);
}

// watched reports whether one of the two ports at t is watched.
INLINE int watched(void *t)
{
	return (bit(ports, t) | bit(ports, t + 2)) & 1;
}

// tunnel reports whether one of the two ports at t is that of a tunnel.
INLINE int tunnel(void *t)
{
	return (bit(tunnels, t) | bit(tunnels, t + 2)) & 1;
}

// What is counted of frames that are dropped and may hold a tunnel: a kind of number, and the number.
enum {
	UNREAD_ETHERTYPE = 1 << 16,
	UNREAD_IP_PROTOCOL = 2 << 16,
	UNREAD_UDP_PORT = 3 << 16,
};

// service is what is counted of a datagram with these ports: the lower one, unless it is that of a service that holds no
// tunnel.
INLINE __u32 service(void *t)
{
	__u16 *low = be16(t) < be16(t + 2) ? t : t + 2;
	return bit(services, low) & 1 ? 0 : UNREAD_UDP_PORT | be16(low);
}

// unread ends the walk with a verdict that drops the frame, and notes what it holds.
INLINE long unread(struct walk *w, enum verdict v, __u32 kind, __u32 number)
{
	w->unread = kind | number;
	return end(w, v);
}

#include "tunnels.h"

// fragment judges a fragment. One of TCP is kept by its addresses. Of another datagram the first fragment decides for
// all, since it shows what is inside. Fragments within fragments are placed by the outer ones.
INLINE long fragment(struct walk *w, __u32 protocol, __u32 id, __u32 later)
{
	if (protocol == IPPROTO_TCP || w->first)
		return end(w, VERDICT_FRAGMENT);
	w->outer.id = id;
	w->outer.path = w->path;
	w->outer.protocol = protocol;
	w->first = !later;
	w->later = later;
	return later ? end(w, VERDICT_UNDECIDED) : go(w, PROTOCOL | protocol);
}

// behind_ip reads one header that an IP protocol number names.
INLINE long behind_ip(CONTEXT *ctx, struct walk *w, __u8 *h)
{
	__u32 flags;
	switch (w->next) {
	case PROTOCOL | IPPROTO_TCP:
		TAKE(4);
		return end(w, watched(h) ? VERDICT_SEGMENT : VERDICT_OTHER_PORT);

	case PROTOCOL | IPPROTO_UDP:
		return behind_udp(ctx, w, h);

	case PROTOCOL | IPPROTO_GRE: // RFC 2784, 2890
		TAKE(4);
		flags = be16(h);
		if (flags & 7) { // version 1 is PPTP's (RFC 2637): length and call, sequence number, acknowledgment, then PPP
			if ((flags & 0x2007) != 0x2001 || be16(h + 2) != ETH_P_PPP_GRE)
				return unread(w, VERDICT_NOT_TCP, UNREAD_IP_PROTOCOL, IPPROTO_GRE);
			if (!(flags & 0x1000)) // it only acknowledges
				return end(w, VERDICT_NOT_TCP);
			w->offset += flags & 0x80 ? 12 : 8;
			return go(w, ETH_P_PPP_GRE);
		}
		if (flags & 0x4000) // source routes (RFC 1701) are left to user space
			return end(w, VERDICT_UNDECIDED);
		w->next = be16(h + 2);
		w->offset += (flags >> 15) * 4; // checksum
		if (flags & 0x2000) {           // key
			TAKE(4);
			along(w, *(__u32 *)h);
		}
		w->offset += (flags >> 12 & 1) * 4; // sequence number
		// ERSPAN I has no header of its own: it is what has no sequence number.
		return w->next == ETH_P_ERSPAN && !(flags & 0x1000) ? go(w, ETH_P_TEB) : 0;

	case PROTOCOL | 97: // EtherIP, RFC 3378
		TAKE(2);
		return go(w, ETH_P_TEB);

	case PROTOCOL | 143: // Ethernet, RFC 8986
		return go(w, ETH_P_TEB);

	case PROTOCOL | 115: // L2TP version 3: no field says how long its header is
		return end(w, VERDICT_UNDECIDED);

	case PROTOCOL | IPPROTO_FRAGMENT:
		TAKE(8);
		// One with neither an offset nor more fragments is whole, RFC 6946.
		return be16(h + 2) & 0xfff9 ? fragment(w, h[0], *(__u32 *)(h + 4), be16(h + 2) & 0xfff8) : go(w, PROTOCOL | h[0]);

	case PROTOCOL | IPPROTO_HOPOPTS:
	case PROTOCOL | IPPROTO_ROUTING:
	case PROTOCOL | IPPROTO_DSTOPTS:
	case PROTOCOL | IPPROTO_AH:
	case PROTOCOL | 135: // Mobility, RFC 6275
	case PROTOCOL | 139: // HIP, RFC 7401
	case PROTOCOL | 140: // Shim6, RFC 5533
		TAKE(8);
		w->offset += h[1] * (w->next == (PROTOCOL | IPPROTO_AH) ? 4 : 8);
		return go(w, PROTOCOL | h[0]);
	}
	return w->next & PROTOCOL ? unread(w, VERDICT_NOT_TCP, UNREAD_IP_PROTOCOL, w->next & 255) : behind_ethernet(ctx, w, h);
}

// step reads one header. bpf_loop calls it until it returns 1.
static long step(__u32 i, struct way *way)
{
	CONTEXT *ctx = way->ctx;
	struct walk *w = way->w;
	__u8 *h = w->h;
	switch (w->next) {
	case ETH_P_TEB:
		TAKE(14);
		return go(w, be16(h + 12));

	case ETH_P_8021Q:
	case ETH_P_8021AD:
	case ETH_P_QINQ1:
	case ETH_P_QINQ2:
	case ETH_P_QINQ3:
	case ETH_P_QINQ4:
		TAKE(4);
		along(w, be16(h) & 0xfff);
		return go(w, be16(h + 2));

	case 0 ... 1500: // LLC: SNAP (RFC 1042) may lead to IP
		TAKE(8);
		return end(w, h[0] == 0xaa ? VERDICT_UNDECIDED : VERDICT_NOT_IP);

	case ETH_P_IP:
	case PROTOCOL | IPPROTO_IPIP:
		TAKE(20);
		if (h[0] >> 4 != 4 || (h[0] & 15) < 5)
			return end(w, VERDICT_MALFORMED);
		w->offset += (h[0] & 15) * 4 - 20;
		w->hash = pair4(h + 12);
		keep(w, h + 12, 8);
		return be16(h + 6) & 0x3fff ? fragment(w, h[9], be16(h + 4), be16(h + 6) & 0x1fff) : go(w, PROTOCOL | h[9]);

	case ETH_P_IPV6:
	case PROTOCOL | IPPROTO_IPV6:
		TAKE(40);
		if (h[0] >> 4 != 6)
			return end(w, VERDICT_MALFORMED);
		w->hash = pair6(h + 8);
		keep(w, h + 8, 32);
		return go(w, PROTOCOL | h[6]);

	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
	case PROTOCOL | IPPROTO_MPLS:
		TAKE(4);
		along(w, be16(h) << 4 | h[2] >> 4);
		return h[2] & 1 ? guess(ctx, w, h, 1) : 0; // the last label

	case ETH_P_PPP_SES: // PPPoE, RFC 2516: 6 octets
		TAKE(6);
		return ppp(ctx, w, h);

	case ETH_P_ERSPAN:
	case ETH_P_ERSPAN2: // ERSPAN II and III (draft-foschiano-erspan); III comes under either number
		TAKE(8);
		if (h[0] >> 4 != 2)
			return go(w, ETH_P_TEB);
		TAKE(4);
		w->offset += (h[3] & 1) * 8;                                       // O: a platform specific subheader
		return h[2] & 0x7c ? end(w, VERDICT_UNDECIDED) : go(w, ETH_P_TEB); // FT: no Ethernet in it
	}
	return behind_ip(ctx, w, h);
}
