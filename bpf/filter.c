//go:build ignore

// The XDP program: keeps TCP segments of the watched ports and IP fragments that may hold some, copies them to the ring
// buffer of their worker, and counts a verdict for every frame. It reads fixed header layouts only: no CO-RE.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#define MAX_HEADERS 32 // walked in one frame; deeper ones go up undecided. Eth, IP, GRE, ERSPAN, Eth, 3 tags, IP, TCP are 10
#define MAX_WORKERS 256
#define LARGEST 65535 // octets copied of a frame at most: more bpf_xdp_load_bytes does not bring
#define FRAGMENT_NS 100000000ULL // that a first fragment is remembered: an IPv4 id wraps in 65,536 datagrams
#define INLINE static __always_inline
#define KEEP(v) asm volatile("" : "+r"(v)) // the compiler may not fold what the verifier is to see
#define be16(p) bpf_ntohs(*(__be16 *)(p))

// Every frame gets exactly one. Mirrored by the Go table in verdict.go; a test compares them.
enum verdict {
	VERDICT_SEGMENT,    // kept: TCP with a watched port
	VERDICT_FRAGMENT,   // kept: fragment of a datagram of TCP, or of a tunnel that carries (or may carry) it
	VERDICT_UNDECIDED,  // kept: headers too deep, rare, ambiguous, or in a fragment not seen yet
	VERDICT_OTHER_PORT, // dropped: TCP, no watched port
	VERDICT_NOT_TCP,    // dropped: IP, not TCP and no known tunnel
	VERDICT_NOT_IP,     // dropped: no IP (ARP, LLDP, spanning tree…)
	VERDICT_TRUNCATED,  // dropped: the frame ends inside its headers
	VERDICT_MALFORMED,  // dropped: a header contradicts itself
	VERDICTS,
};
struct frame { __u64 boot_ns, lost; __u32 length, captured, ifindex; enum verdict verdict; } *for_bpf2go; // before each frame in a ring
struct ring_count { __u64 delivered, cut, bytes; };
struct datagram { __u8 addresses[32]; __u32 id, protocol; };
struct placement { __u64 boot_ns; __u32 worker, verdict; };
__u8 ports[8192]; // a bit for each, in the byte order of packets
volatile const __u32 workers = 1, action = XDP_DROP; // XDP_PASS with --inline: all frames go on
#include "walk.h"
#define MAP(name, kind, n, k, v, flags) struct { __uint(type, kind); __uint(max_entries, n); \
	__type(key, k); __type(value, v); __uint(map_flags, flags); } name SEC(".maps")
MAP(scratch, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, struct walk, 0); // on the stack the verifier would follow every value
MAP(verdicts, BPF_MAP_TYPE_PERCPU_ARRAY, 1, __u32, __u64[VERDICTS], 0);
MAP(ring_counts, BPF_MAP_TYPE_PERCPU_ARRAY, MAX_WORKERS, __u32, struct ring_count, 0);
MAP(losses, BPF_MAP_TYPE_ARRAY, MAX_WORKERS, __u32, __u64, BPF_F_MMAPABLE);
MAP(fragmented, BPF_MAP_TYPE_LRU_HASH, 16384, struct datagram, struct placement, 0);
struct ring { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 12); };
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, MAX_WORKERS);
	__type(key, __u32); __array(values, struct ring); } rings SEC(".maps");

// plain decides what is nearly all traffic without the walk: IP right behind Ethernet or one tag. VERDICTS: not decided.
INLINE enum verdict plain(struct xdp_md *ctx, __u32 *worker)
{
	__u8 *ip = (void *)(long)ctx->data + 14, *data_end = (void *)(long)ctx->data_end;
	if (ip + 4 + 20 > data_end)
		return VERDICTS;
	__u16 type = *(__u16 *)(ip - 2);
	if (type == bpf_htons(ETH_P_8021Q)) { type = *(__u16 *)(ip + 2); ip += 4; }
	__u32 v4 = type == bpf_htons(ETH_P_IP) && ip[0] == 0x45 && !(*(__u16 *)(ip + 6) & bpf_htons(0x3fff));
	__u8 *t = ip + (v4 ? 20 : 40);
	if ((!v4 && (type != bpf_htons(ETH_P_IPV6) || ip[0] >> 4 != 6)) || t + 4 > data_end)
		return VERDICTS;
	switch (v4 ? ip[9] : ip[6]) {
	case IPPROTO_TCP:
		if (!watched(t))
			return VERDICT_OTHER_PORT;
		*worker = (__u64)(v4 ? pair4(ip + 12) : pair6(ip + 8)) * workers >> 32;
		return VERDICT_SEGMENT;
	case IPPROTO_UDP: return tunnel(be16(t + 2)) ? VERDICTS : VERDICT_NOT_TCP;
	case IPPROTO_ICMP: case IPPROTO_ICMPV6: case IPPROTO_ESP: return VERDICT_NOT_TCP;
	}
	return VERDICTS;
}

// deep walks, and gives the later fragments of a datagram the worker, and the verdict, of the first.
static __noinline __u32 deep(struct xdp_md *ctx, __u32 *worker)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct way way = { ctx, bpf_map_lookup_elem(&scratch, &(__u32){ 0 }) };
	struct walk *w = way.w;
	if (!w)
		return VERDICT_UNDECIDED;
	*w = (struct walk){ .next = ETH_P_TEB, .verdict = VERDICT_UNDECIDED };
	bpf_loop(MAX_HEADERS, step, &way, 0);
	struct placement *p, here = { now, (__u64)w->hash * workers >> 32, w->verdict };
	if (w->first && w->verdict == VERDICT_SEGMENT)
		here.verdict = VERDICT_FRAGMENT;
	else if (w->verdict > VERDICT_UNDECIDED && (w->doubt || (w->first && w->verdict >= VERDICT_TRUNCATED)))
		here.verdict = VERDICT_UNDECIDED; // what is missing may be in the next fragment
	if (w->first)
		bpf_map_update_elem(&fragmented, &w->outer, &here, BPF_ANY);
	if (w->later && (p = bpf_map_lookup_elem(&fragmented, &w->outer)) && now - p->boot_ns <= FRAGMENT_NS)
		here = *p; // one that overtook the first stays undecided, by the tunnel's addresses
	*worker = here.worker;
	return here.verdict;
}

// rest counts, and copies a frame that is kept to its worker's ring, or counts its loss, which the next one there tells.
// bpf_ringbuf_reserve wants a constant size: acknowledgments, Ethernet, jumbo frames, what a NIC merged (LRO).
static __noinline int rest(struct xdp_md *ctx, __u32 v, __u32 worker, __u64 *counts)
{
	if (v == VERDICTS)
		v = deep(ctx, &worker);
	KEEP(v);
	counts[v & (VERDICTS - 1)]++; // of eight: the verifier wants a bound
	__u64 length = bpf_xdp_get_buff_len(ctx), *lost = bpf_map_lookup_elem(&losses, &worker);
	__u64 room = length <= 176 ? 176 : length <= 1536 ? 1536 : length <= 9216 ? 9216 : LARGEST, size = length < room ? length : room;
	struct ring_count *n = bpf_map_lookup_elem(&ring_counts, &worker);
	void *ring = bpf_map_lookup_elem(&rings, &worker);
	if (v > VERDICT_UNDECIDED || !n || !lost || !ring)
		return 0;
	struct frame *f = bpf_ringbuf_reserve(ring, sizeof(*f) + room, 0);
	if (!f)
		return __sync_fetch_and_add(lost, 1);
	*f = (struct frame){ bpf_ktime_get_boot_ns(), *lost, length, size, ctx->ingress_ifindex, v };
	KEEP(size);
	if (size - 1 >= room || bpf_xdp_load_bytes(ctx, 0, f + 1, size)) // never
		f->captured = 0;
	bpf_ringbuf_submit(f, BPF_RB_NO_WAKEUP);
	n->delivered++;
	n->bytes += length;
	n->cut += length > LARGEST;
	return 0;
}
SEC("xdp.frags") int tap25(struct xdp_md *ctx) // nothing here outlives a call but ctx: each register saved would cost all frames
{
	__u64(*n)[VERDICTS] = bpf_map_lookup_elem(&verdicts, &(__u32){ 0 });
	__u32 worker = 0, v = plain(ctx, &worker);
	if (n && v > VERDICT_UNDECIDED && v < VERDICTS)
		(*n)[v]++;
	else if (n)
		rest(ctx, v, worker, *n);
	return action;
}
char _license[] SEC("license") = "GPL";
