//go:build ignore

// The XDP program: keeps TCP segments of the watched ports and IP fragments that may hold some, copies them to the ring
// buffer of their worker, and counts a verdict for every frame. Fixed header layouts only, so nothing to relocate (no CO-RE).
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_HEADERS 32     // headers walked in one frame; deeper ones go up undecided. Eth, IP, GRE, ERSPAN, Eth, 3 tags, IP, TCP are 10
#define MAX_WORKERS 256    // rings; wants no more than a machine has CPUs
#define FRAGMENTED 16384   // datagrams of tunnels whose fragments are remembered, LRU
#define FRAGMENT_NS 100000000ULL // for how long: fragments of one datagram come back to back, an IPv4 id wraps in 65,536 datagrams

// Every frame gets exactly one. Mirrored by the Go table in verdict.go; a test compares them.
enum verdict {
	VERDICT_SEGMENT,    // kept: TCP with a watched port
	VERDICT_FRAGMENT,   // kept: fragment of a datagram of TCP, or of a tunnel that carries (or may carry) it
	VERDICT_UNDECIDED,  // kept: headers too deep, or beyond the first buffer of the frame
	VERDICT_OTHER_PORT, // dropped: TCP, no watched port
	VERDICT_NOT_TCP,    // dropped: IP, not TCP and no known tunnel
	VERDICT_NOT_IP,     // dropped: no IP (ARP, LLDP, spanning tree…)
	VERDICT_TRUNCATED,  // dropped: the frame ends inside its headers
	VERDICT_MALFORMED,  // dropped: a header contradicts itself
	VERDICTS,
};

struct frame { __u64 boot_ns; __u32 length, captured, ifindex; enum verdict verdict; } *for_bpf2go; // before each frame in a ring
struct ring_count { __u64 delivered, full, cut, bytes; };
struct datagram { __u64 src[2], dst[2]; __u32 id, protocol; };
struct placement { __u64 boot_ns; __u32 worker, verdict; };
struct port_set { __u8 bits[8192]; };
struct ring { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 12); };

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct port_set); } ports SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, VERDICTS); __type(key, __u32); __type(value, __u64); } verdicts SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, MAX_WORKERS); __type(key, __u32); __type(value, struct ring_count); } ring_counts SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, FRAGMENTED); __type(key, struct datagram); __type(value, struct placement); } fragmented SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, MAX_WORKERS); __type(key, __u32); __array(values, struct ring); } rings SEC(".maps");

volatile const __u32 workers = 1;
volatile const __u32 action = XDP_DROP; // XDP_PASS with --inline: frames go on untouched, also those that were copied

#include "walk.h"

// bpf_ringbuf_reserve wants a constant size: a class for acknowledgments and commands, for Ethernet, for jumbo frames, and for what a NIC merged (LRO).
// The empty asm keeps the compiler from folding the two bounds that the verifier wants to see into one it does not follow.
#define KEEP(v) asm volatile("" : "+r"(v))
#define COPY(n)                                                                              \
	static __noinline int copy_##n(struct xdp_md *ctx, __u32 worker, __u32 length, __u32 verdict) \
	{                                                                                    \
		void *ring = bpf_map_lookup_elem(&rings, &worker);                           \
		__u64 size = length < (n) ? length : (n);                                    \
		if (!ring)                                                                   \
			return 0;                                                            \
		struct frame *f = bpf_ringbuf_reserve(ring, sizeof(*f) + (n), 0);            \
		if (!f)                                                                      \
			return 0;                                                            \
		*f = (struct frame){ bpf_ktime_get_boot_ns(), length, size, ctx->ingress_ifindex, verdict }; \
		KEEP(size);                                                                  \
		if (size > (n))                                                              \
			size = (n);                                                          \
		KEEP(size);                                                                  \
		if (size == 0 || bpf_xdp_load_bytes(ctx, 0, f + 1, size)) {                  \
			bpf_ringbuf_discard(f, BPF_RB_NO_WAKEUP);                            \
			return 0;                                                            \
		}                                                                            \
		bpf_ringbuf_submit(f, BPF_RB_NO_WAKEUP);                                     \
		return 1;                                                                    \
	}
COPY(176)
COPY(1536)
COPY(9216)
COPY(65568)

static __noinline int deliver(struct xdp_md *ctx, __u32 worker, __u32 verdict)
{
	__u32 length = bpf_xdp_get_buff_len(ctx);
	struct ring_count *n = bpf_map_lookup_elem(&ring_counts, &worker);
	int ok;
	if (!n)
		return 0;
	if (length <= 176)
		ok = copy_176(ctx, worker, length, verdict);
	else if (length <= 1536)
		ok = copy_1536(ctx, worker, length, verdict);
	else if (length <= 9216)
		ok = copy_9216(ctx, worker, length, verdict);
	else
		ok = copy_65568(ctx, worker, length, verdict);
	if (!ok) {
		n->full++;
		return 0;
	}
	n->delivered++;
	n->bytes += length;
	n->cut += length > 65568;
	return 0;
}

// place gives fragments of a tunnel's datagram the worker, and the verdict, of its first fragment.
static __always_inline __u32 place(struct walk *w)
{
	__u32 worker = (__u64)w->hash * workers >> 32;
	__u64 now = bpf_ktime_get_boot_ns();
	if (w->first) {
		if (w->verdict == VERDICT_SEGMENT)
			w->verdict = VERDICT_FRAGMENT;
		else if (w->verdict >= VERDICT_TRUNCATED) // the rest of the headers is in the next fragment
			w->verdict = VERDICT_UNDECIDED;
		struct placement p = { now, worker, w->verdict };
		bpf_map_update_elem(&fragmented, &w->outer, &p, BPF_ANY);
		return worker;
	}
	struct placement *p = bpf_map_lookup_elem(&fragmented, &w->outer);
	if (!p || now - p->boot_ns > FRAGMENT_NS) {
		w->verdict = VERDICT_UNDECIDED; // it overtook the first: placed by the tunnel's addresses
		return worker;
	}
	w->verdict = p->verdict;
	return p->worker;
}

// plain decides what is nearly all traffic without the walk: TCP or UDP right behind Ethernet and IP. It answers VERDICTS for the rest.
static __always_inline enum verdict plain(struct xdp_md *ctx, __u32 *hash)
{
	__u8 *h = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end, *t;
	__u32 protocol, type, zero = 0;
	if (h + 14 + 40 + 4 > data_end)
		return VERDICTS;
	type = h[12] << 8 | h[13];
	if (type == 0x0800 && h[14] == 0x45 && !((h[20] << 8 | h[21]) & 0x3fff)) {
		protocol = h[23];
		t = h + 34;
	} else if (type == 0x86dd && h[14] >> 4 == 6) {
		protocol = h[20];
		t = h + 54;
	} else {
		return VERDICTS;
	}
	__u32 src = t[0] << 8 | t[1], dst = t[2] << 8 | t[3];
	if (protocol == IPPROTO_UDP)
		return dst == 4789 || dst == 8472 || dst == 4790 || dst == 6081 ? VERDICTS : VERDICT_NOT_TCP;
	struct port_set *set = bpf_map_lookup_elem(&ports, &zero);
	if (protocol != IPPROTO_TCP || !set)
		return VERDICTS;
	if (!watched(set, src) && !watched(set, dst))
		return VERDICT_OTHER_PORT;
	if (type == 0x0800)
		*hash = pair4(h + 14);
	else
		*hash = pair6(h + 14);
	return VERDICT_SEGMENT;
}

static __noinline __u32 deep(struct xdp_md *ctx, __u32 *worker)
{
	struct walk w = { .ctx = ctx, .kind = ETHERNET, .verdict = VERDICT_UNDECIDED };
	bpf_loop(MAX_HEADERS, step, &w, 0);
	*worker = w.first || w.later ? place(&w) : (__u64)w.hash * workers >> 32;
	return w.verdict;
}

SEC("xdp.frags")
int tap25(struct xdp_md *ctx)
{
	__u32 hash = 0, worker = 0, verdict = plain(ctx, &hash);
	if (verdict == VERDICTS)
		verdict = deep(ctx, &worker);
	else
		worker = (__u64)hash * workers >> 32;
	__u64 *n = bpf_map_lookup_elem(&verdicts, &verdict);
	if (n)
		++*n;
	if (verdict <= VERDICT_UNDECIDED)
		deliver(ctx, worker, verdict);
	return action;
}

SEC("xdp") int bare(struct xdp_md *ctx) { return XDP_DROP; } // what the benchmark measures against

char _license[] SEC("license") = "GPL";
