// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// The headers of tunnels, pseudowires and tags other than VLAN's. walk.h includes this. What cannot be decided here goes up
// undecided.

// EtherTypes that linux/if_ether.h does not have: Cisco's VN-tag and metadata, IEEE 802.1BR, 802.1ah, TRILL (RFC 6325),
// Arista's timestamps, PPP in GRE.
enum {
	ETH_P_QINQ4 = 0x8200,
	ETH_P_VNTAG = 0x8926,
	ETH_P_ETAG = 0x893f,
	ETH_P_CISCO = 0x8909,
	ETH_P_PBB = 0x88e7,
	ETH_P_TRILL_DATA = 0x22f3,
	ETH_P_ARISTA = 0xd28b,
	ETH_P_PPP_GRE = 0x880b,
};

// UDP ports of tunnels: RFC 7348, Linux before that RFC, draft-ietf-nvo3-vxlan-gpe, RFC 8926, 3GPP TS 29.281, RFC 2661,
// RFC 7510, draft-ietf-intarea-gue, RFC 4380. Those of TZSP and of lawful intercepts are left to user space.
enum {
	VXLAN = 4789,
	VXLAN_OLD = 8472,
	VXLAN_GPE = 4790,
	GENEVE = 6081,
	GTP_U = 2152,
	L2TP = 1701,
	MPLS_UDP = 6635,
	GUE = 6080,
	TEREDO = 3544,
};

// What has no number of its own: an extension header of GTP-U, with its type.
#define GTP_EXTENSION 0x20000

// tag reports whether an EtherType is that of a VLAN tag: IEEE 802.1Q, 802.1ad, and four that came before it.
INLINE int tag(__u32 t)
{
	return t == ETH_P_8021Q || t == ETH_P_8021AD || t == ETH_P_QINQ1 || t == ETH_P_QINQ2 || t == ETH_P_QINQ3 ||
	       t == ETH_P_QINQ4;
}

// leads reports whether an EtherType at h, or a length of 802.3 before SNAP, may lead to IP.
INLINE int leads(__u8 *h)
{
	__u32 t = be16(h);
	switch (t) {
	case 0 ... 1500:
		return h[2] == 0xaa && h[3] == 0xaa;
	case ETH_P_IP:
	case ETH_P_IPV6:
	case ETH_P_MPLS_UC:
	case ETH_P_MPLS_MC:
	case ETH_P_PPP_SES:
	case ETH_P_TEB:
	case ETH_P_VNTAG:
	case ETH_P_ETAG:
	case ETH_P_CISCO:
	case ETH_P_PBB:
	case ETH_P_MACSEC:
	case ETH_P_TRILL_DATA:
	case ETH_P_NSH:
	case ETH_P_ARISTA:
	case ETH_P_PPP_GRE:
		return 1;
	}
	return tag(t);
}

// along adds a tag to what tells two networks apart in which fragments may have equal addresses and identifications.
INLINE void along(struct walk *w, __u32 id)
{
	w->path = (w->path ^ id) * 0x9e3779b1;
}

// fits reports whether the octets at h, the first of so many, look like an IP header: by the checksum of IPv4, or by the
// length of IPv6.
INLINE int fits(__u8 *h, __u32 left)
{
	__u32 sum = 0;
	if (h[0] >> 4 == 6)
		return be16(h + 4) + 40 == left;
	for (int i = 0; i < 20; i += 2)
		sum += be16(h + i);
	return h[0] == 0x45 && be16(h + 2) <= left && (sum & 0xffff) + (sum >> 16) == 0xffff;
}

// guess finds out what nothing names: IP by its first nibble, or an Ethernet frame, whose destination address may begin
// with any, perhaps after a control word (RFC 4385). If two readings are possible, user space decides, which looks further:
// the more likely one goes on here, so that the frame comes to the worker of its inner addresses.
INLINE long guess(CONTEXT *ctx, struct walk *w, __u8 *h, int control)
{
	__u32 ip, ethernet, word;
	TAKE(20);
	ip = h[0] >> 4 == 4 || h[0] >> 4 == 6;
	ethernet = leads(h + 12);
	word = control && h[0] >> 4 == 0 && leads(h + 16);
	w->doubt |= (ip || word) && ethernet;
	w->offset -= word && (!ethernet || !*(__u32 *)h) ? 16 : 20;
	if (ip && (!ethernet || fits(h, frame_length(ctx) - w->offset)))
		return go(w, h[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
	return go(w, ETH_P_TEB);
}

// ppp reads address and control if they are there (RFC 1662), and the protocol in one octet or two. All but IP and MPLS
// is left to user space.
INLINE long ppp(CONTEXT *ctx, struct walk *w, __u8 *h)
{
	TAKE(2);
	if (h[0] == 0xff && h[1] == 3)
		TAKE(2);
	w->offset -= h[0] & 1;
	switch (h[0] & 1 ? h[0] : be16(h)) {
	case 0x21:
		return go(w, ETH_P_IP);
	case 0x57:
		return go(w, ETH_P_IPV6);
	case 0x281:
	case 0x283:
		return go(w, ETH_P_MPLS_UC);
	}
	return end(w, VERDICT_UNDECIDED);
}

// next goes to what a number of the registry of RFC 8300 section 9.1.4 names.
INLINE long next(struct walk *w, __u32 n)
{
	switch (n) {
	case 1:
		return go(w, ETH_P_IP);
	case 2:
		return go(w, ETH_P_IPV6);
	case 3:
		return go(w, ETH_P_TEB);
	case 4:
		return go(w, ETH_P_NSH);
	case 5:
		return go(w, ETH_P_MPLS_UC);
	}
	return end(w, VERDICT_UNDECIDED);
}

// gtp reads a G-PDU, or what is after its extension headers: h[3] is the type of the next.
INLINE long gtp_next(CONTEXT *ctx, struct walk *w, __u8 *h, __u32 extension)
{
	return extension ? go(w, GTP_EXTENSION) : guess(ctx, w, h, 0);
}

INLINE long gtp(CONTEXT *ctx, struct walk *w, __u8 *h)
{
	__u32 flags;
	TAKE(8);
	flags = h[0];
	if (flags >> 4 != 3)
		return unread(w, VERDICT_NOT_TCP, UNREAD_UDP_PORT, GTP_U);
	if (h[1] != 255)
		return end(w, VERDICT_NOT_TCP);
	along(w, *(__u32 *)(h + 4));
	h[3] = 0;
	if (flags & 7) // sequence number, N-PDU number, type of the next extension header
		TAKE(4);
	return gtp_next(ctx, w, h, flags & 4 ? h[3] : 0);
}

// l2tp reads version 2. Of version 3 only the two ends know how long the header is.
INLINE long l2tp(CONTEXT *ctx, struct walk *w, __u8 *h, __u32 dst)
{
	__u32 flags;
	TAKE(2);
	flags = be16(h);
	if (flags & 0x8000) // control
		return end(w, VERDICT_NOT_TCP);
	if ((flags & 15) == 3)
		return end(w, VERDICT_UNDECIDED);
	if ((flags & 15) != 2)
		return unread(w, VERDICT_NOT_TCP, UNREAD_UDP_PORT, dst);
	w->offset += flags >> 14 & 1 ? 2 : 0; // length
	TAKE(4);
	along(w, *(__u32 *)h);
	w->offset += flags >> 11 & 1 ? 4 : 0; // sequence numbers
	if (flags >> 9 & 1) {                 // offset
		TAKE(2);
		w->offset += be16(h);
	}
	return ppp(ctx, w, h);
}

// behind_udp reads what a UDP datagram holds that is from or to the port of a tunnel.
INLINE long behind_udp(CONTEXT *ctx, struct walk *w, __u8 *h)
{
	__u32 src, dst;
	TAKE(8);
	src = be16(h);
	dst = be16(h + 2);
	if (!tunnel(h)) {
		w->unread = service(h);
		return end(w, VERDICT_NOT_TCP);
	}
	if (dst == GTP_U)
		return gtp(ctx, w, h);
	if (dst == MPLS_UDP)
		return go(w, ETH_P_MPLS_UC);
	if (dst == VXLAN || dst == VXLAN_OLD || dst == VXLAN_GPE || dst == GENEVE) {
		TAKE(8);
		if (dst != GENEVE && !(h[0] & 8)) // no network identifier: a client's port
			return unread(w, VERDICT_NOT_TCP, UNREAD_UDP_PORT, dst);
		along(w, be16(h + 4) << 8 | h[6]);
		if (dst == GENEVE) { // RFC 8926: options, then the EtherType of the payload
			w->offset += (h[0] & 63) * 4;
			return go(w, be16(h + 2));
		}
		return dst == VXLAN_GPE && h[0] & 4 ? next(w, h[3]) : go(w, ETH_P_TEB); // the P bit: it names its payload
	}
	if (dst == GUE) {
		TAKE(4);
		if (h[0] >> 6 == 1) { // version 1 is IP
			w->offset -= 4;
			return h[0] >> 4 == 4 ? go(w, ETH_P_IP) : h[0] >> 4 == 6 ? go(w, ETH_P_IPV6) : end(w, VERDICT_NOT_IP);
		}
		w->offset += (h[0] & 31) * 4;
		return h[0] & 0xe0 ? end(w, VERDICT_NOT_TCP) : go(w, PROTOCOL | h[1]);
	}
	if (dst == L2TP || (src == L2TP && dst != TEREDO))
		return l2tp(ctx, w, h, dst);
	return end(w, VERDICT_UNDECIDED);
}

// behind_ethernet reads one header that an EtherType names and that is rare.
INLINE long behind_ethernet(CONTEXT *ctx, struct walk *w, __u8 *h)
{
	__u32 version;
	switch (w->next) {
	case ETH_P_VNTAG:
		TAKE(6);
		return go(w, be16(h + 4));

	case ETH_P_ETAG:
	case ETH_P_CISCO:
		TAKE(8);
		return go(w, be16(h + 6));

	case ETH_P_PBB: // the service instance, then a frame
		TAKE(4);
		along(w, *(__u32 *)h);
		return go(w, ETH_P_TEB);

	case ETH_P_MACSEC: // IEEE 802.1AE; encrypted or changed (E, C) it cannot be read
		TAKE(6);
		if (h[0] & 0x8c)
			return unread(w, VERDICT_NOT_IP, UNREAD_ETHERTYPE, ETH_P_MACSEC);
		w->offset += h[0] & 0x20 ? 8 : 0; // the channel
		TAKE(2);
		return go(w, be16(h));

	case ETH_P_TRILL_DATA: // options of so many words, then a frame
		TAKE(6);
		w->offset += (be16(h) >> 6 & 31) * 4;
		return h[0] >> 6 ? end(w, VERDICT_NOT_IP) : go(w, ETH_P_TEB);

	case ETH_P_NSH: // RFC 8300
		TAKE(8);
		if (h[0] >> 6 || (h[1] & 63) < 2)
			return end(w, VERDICT_MALFORMED);
		w->offset += (h[1] & 63) * 4 - 8;
		return next(w, h[3]);

	case ETH_P_ARISTA: // subtype, version, a time of 64 bits or 48
		TAKE(4);
		version = h[3];
		if (be16(h) != 1 || (version != 0x10 && version != 0x20))
			return end(w, VERDICT_UNDECIDED);
		w->offset += version == 0x10 ? 8 : 6;
		TAKE(2);
		return go(w, be16(h));

	case ETH_P_PPP_GRE:
		return ppp(ctx, w, h);

	case GTP_EXTENSION: // so many words, the last octet of which is the type of the next
		TAKE(4);
		if (!h[0])
			return end(w, VERDICT_MALFORMED);
		w->offset += h[0] * 4 - 8;
		TAKE(4);
		return gtp_next(ctx, w, h, h[3]);
	}
	return unread(w, VERDICT_NOT_IP, UNREAD_ETHERTYPE, w->next);
}
