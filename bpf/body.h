// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Messages that stay in the kernel: of a client's full segments within a message, only the headers are copied to the
// ring. User space marks a connection whose client is within a message, then reports where it has read to. The program
// follows the client's segments. It knows a run: octets that came in order, were copied, and hold no end of data. If
// user space was within the message somewhere in that run, what follows the run belongs to the message, too.
// filter.c includes this.

// LONGEST is the longest payload that is looked through, SHORTEST the shortest that stays.
#define LONGEST 1536
#define SHORTEST 512

// flow is a direction of a connection as frames with at most one tag show it.
struct flow {
	__u8 source[16], destination[16];
	__u32 ports, tag;
};

enum kind {
	KIND_NONE,
	KIND_DATA,    // an end of data ends the message
	KIND_COUNTED, // BDAT: until ends it
};

// mark is a marked flow. User space writes the first four, each by itself, and all before it adds the flow.
struct mark {
	__u32 from; // the client is within a message here, and what it sent before was read
	__u32 until; // the message goes up to here, unless an end of data comes before
	__u32 ack; // what the client acknowledges if the server has said nothing since
	enum kind kind; // KIND_NONE: not all that was copied before the flow was marked was read
	__u32 start, next;
	__u64 tail; // the last eight octets before next, the last one highest
};

// body stands between a struct frame and the headers of a frame whose payload stays.
struct body {
	__u64 digest, tail;
};

// look is what is found out about a segment of a marked flow.
struct look {
	__u32 index; // of the mark plus one; 0: the flow is not marked
	__u32 seq, length, headers;
	__u32 continues; // it continues the run
	__u32 stays;     // its payload does
	__u64 before;    // the word before the next block
	__u64 found;     // not 0: an end of data may be in the payload
	__u64 sum;       // for the checksum
	struct body body;
	__u64 payload[LONGEST / 8 + 8];
};

#ifdef EGRESS // there a frame has not been cut into segments yet: everything is copied

INLINE struct look *examine(CONTEXT *ctx)
{
	return 0;
}

INLINE int stays(struct look *l)
{
	return 0;
}

INLINE __u32 marked(struct look *l)
{
	return 0;
}

INLINE void follow(struct look *l, int copied)
{
}

INLINE void copy_headers(CONTEXT *ctx, struct frame *f, struct look *l)
{
}

#else

// Set before the program is loaded. bodies is 1 if payloads may stay.
volatile const __u32 bodies, shortest = SHORTEST;
volatile const __u64 digest_key[LONGEST / 8];

MAP(looks, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct look, 0);
MAP(flows, BPF_MAP_TYPE_HASH, 1, struct flow, __u32, 0);
MAP(marks, BPF_MAP_TYPE_ARRAY, 1, __u32, struct mark, BPF_F_MMAPABLE);

// zeroes sets the high bit of each octet that is 0, and perhaps of the octet above one. The next two do so for theirs.
INLINE __u64 zeroes(__u64 w)
{
	return (w - 0x0101010101010101ULL) & ~w & 0x8080808080808080ULL;
}

INLINE __u64 dots(__u64 w)
{
	return zeroes(w ^ 0x2e2e2e2e2e2e2e2eULL);
}

INLINE __u64 line_ends(__u64 w)
{
	return zeroes(w ^ 0x0a0a0a0a0a0a0a0aULL) | zeroes(w ^ 0x0d0d0d0d0d0d0d0dULL);
}

// UNKNOWN is a tail that may be a part of an end of data, as opens tells.
#define UNKNOWN (0x2e0aULL << 48)

// opens reports whether the next octets may complete an end of data, of which the last one or two are a part.
INLINE int opens(__u64 tail)
{
	return (dots(tail) & line_ends(tail) << 8) >> 48 != 0;
}

// fold brings a sum down to 16 bits. With a right checksum it is 0xffff.
INLINE __u32 fold(__u64 sum)
{
	sum = (sum >> 32) + (__u32)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (sum >> 16) + (sum & 0xffff);
}

// BLOCK is how many words are looked through at once.
#define BLOCK 8

// through looks through a block of the payload: its sum, its digest (NH of UMAC), and whether a dot is in it after a CR or
// LF, the one before it included. bpf_loop calls it.
static long through(__u32 i, struct look **way)
{
	struct look *l = *way;
	__u64 digest = l->body.digest, sum = l->sum, found = l->found, before = l->before;
	__u64 first = i;
	KEEP(first);
	if (first >= LONGEST / 8 / BLOCK)
		return 1;
	__u64 *words = l->payload + first * BLOCK;
	const volatile __u64 *keys = digest_key + first * BLOCK;
	KEEP(words); // lest the compiler puts the octets together by OR, of which the verifier knows less
	KEEP(keys);
#pragma unroll
	for (int k = 0; k < BLOCK; k++) {
		__u64 w = words[k], d = dots(w), key = keys[k];
		if (d)
			found |= d & (line_ends(w) << 8 | line_ends(before) >> 56);
		digest += (__u64)((__u32)w + (__u32)key) * (__u32)((w >> 32) + (key >> 32));
		sum += (__u32)w + (w >> 32);
		before = w;
	}
	l->before = before;
	l->found = found;
	l->sum = sum;
	l->body.digest = digest;
	return 0;
}

// read reads the payload and looks through it, and reports whether it could.
static __noinline int read(CONTEXT *ctx, struct look *l, __u64 tail)
{
	__u64 n = l->length;
	if (n > LONGEST)
		return 0;
	KEEP(n);
	__builtin_memset(l->payload + n / (BLOCK * 8) * BLOCK, 0, BLOCK * 8); // the last block ends with zeroes
	if (n < 1 || load_bytes(ctx, l->headers, l->payload, n))
		return 0;
	l->before = tail;
	l->found = l->body.digest = 0;
	bpf_loop((n + BLOCK * 8 - 1) / (BLOCK * 8), through, &l, 0);
	__u64 at = n - 8;
	KEEP(at);
	if (at <= LONGEST - 8)
		l->body.tail = *(__u64 *)((void *)l->payload + at);
	else
		l->body.tail = l->payload[0] << (8 - n) * 8 | tail >> n * 8;
	return 1;
}

// sum_of sums up n octets of the frame, 60 at most and a multiple of 4.
static __noinline __u64 sum_of(CONTEXT *ctx, __u64 at, __u64 n)
{
	__u32 words[15] = {};
	__u64 sum = 0;
	if (n > sizeof(words))
		return 0;
	KEEP(n);
	if (n < 4 || load_bytes(ctx, at, words, n))
		return 0;
#pragma unroll
	for (int i = 0; i < 15; i++)
		sum += words[i];
	return sum;
}

// inspect finds out about a segment that plain has judged.
static __noinline int inspect(CONTEXT *ctx, struct look *l)
{
	__u8 *ip = (void *)(long)ctx->data + 14, *data_end = (void *)(long)ctx->data_end;
	struct flow f = {};
	l->index = 0;
	l->headers = 14;
	if (ip + 4 + 20 > data_end) // as in plain
		return 0;
	__u16 type = *(__u16 *)(ip - 2);
	if (type == bpf_htons(ETH_P_8021Q)) {
		f.tag = 0x1000 | (be16(ip) & 0xfff);
		type = *(__u16 *)(ip + 2);
		ip += 4;
		l->headers += 4;
	}
	__u32 v4 = type == bpf_htons(ETH_P_IP), size = v4 ? 20 : 40, total = v4 ? be16(ip + 2) : be16(ip + 4) + 40;
	__u8 *t = ip + size;
	if (t + 20 > data_end || !(bit(ports, (void *)(t + 2)) & 1))
		return 0;
	l->headers += size + (t[12] >> 4) * 4;
	l->length = total - size - (t[12] >> 4) * 4;
	if ((int)l->length <= 0 || t[12] < 5 << 4)
		return 0;

	f.ports = *(__u32 *)t;
	if (v4) {
		__builtin_memcpy(f.source, ip + 12, 4);
		__builtin_memcpy(f.destination, ip + 16, 4);
	} else {
		__builtin_memcpy(f.source, ip + 8, 16);
		__builtin_memcpy(f.destination, ip + 24, 16);
	}
	__u32 *index = bpf_map_lookup_elem(&flows, &f);
	struct mark *m = index ? bpf_map_lookup_elem(&marks, index) : 0;
	if (!m)
		return 0;
	l->index = *index + 1;
	l->seq = bpf_ntohl(*(__u32 *)(t + 4));
	l->continues = l->stays = 0;
	l->body.tail = UNKNOWN;

	__u32 tcp = total - size, flags = t[13] & 0x3f, acks = bpf_ntohl(*(__u32 *)(t + 8)), at = l->headers;
	at -= (t[12] >> 4) * 4; // the TCP header
	if (!m->kind || l->seq != m->next || acks != m->ack)
		return 0;
	l->sum = sum_of(ctx, at, l->headers - at) + bpf_htons(6) + bpf_htons(tcp);
	l->sum += sum_of(ctx, v4 ? at - 8 : at - 32, v4 ? 8 : 32); // the addresses
	if (!read(ctx, l, m->tail) || fold(l->sum) != 0xffff || (v4 && fold(sum_of(ctx, at - 20, 20)) != 0xffff))
		return 0;
	l->continues = (flags & ~8) == 0x10 && (m->kind == KIND_COUNTED || !(l->found || opens(m->tail)));
	l->stays = l->continues && flags == 0x10 && l->length >= shortest && m->next - m->start >= m->from - m->start &&
		   (int)(m->until - (l->seq + l->length)) >= 0 && frame_length(ctx) == l->headers + l->length;
	return 0;
}

// examine returns what is found out about a segment that plain has judged; 0 if no payload may stay.
INLINE struct look *examine(CONTEXT *ctx)
{
	struct look *l = bodies ? bpf_map_lookup_elem(&looks, &(__u32){ 0 }) : 0;
	if (l)
		inspect(ctx, l);
	return l;
}

INLINE int stays(struct look *l)
{
	return l && l->index && l->stays;
}

INLINE __u32 marked(struct look *l)
{
	return l ? l->index : 0;
}

// copy_headers fills in a frame of which the payload stays. There is room for them and for a struct body.
INLINE void copy_headers(CONTEXT *ctx, struct frame *f, struct look *l)
{
	__u64 size = l->headers;
	struct body *b = (void *)(f + 1);
	*b = l->body;
	f->captured = size;
	f->unseen = l->length;
	KEEP(size);
	if (size - 1 >= 128 || load_bytes(ctx, 0, b + 1, size)) // never true; the verifier wants the bound
		f->captured = 0;
}

// follow notes that a segment of a marked flow was copied, or its headers, or that it was lost. The run never goes back:
// of two copies of an octet the first counts.
INLINE void follow(struct look *l, int copied)
{
	struct mark *m = l && l->index ? bpf_map_lookup_elem(&marks, &(__u32){ l->index - 1 }) : 0;
	if (!m)
		return;
	__u32 end = l->seq + l->length;
	if ((int)(end - m->next) <= 0)
		return;
	if (!copied || !l->continues)
		m->start = end;
	else if (end - m->start > 1 << 30)
		m->start = end - (1 << 29);
	m->tail = copied ? l->body.tail : UNKNOWN;
	m->next = end;
}

#endif
