package sniff

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"tap25/cmd/tap25/report"
)

// The limits of a request. A request for metrics takes milliseconds and a few hundred octets.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second // body included
	writeTimeout  = 10 * time.Second
	idleTimeout   = 30 * time.Second
	mostHeader    = 16 << 10
	mostAnswered  = 4 // requests that are answered at once
)

// web is the HTTP side of a running sniff.
type web struct {
	listener *boundedListener
	names    map[string]bool // that the Host header may give
	exposed  bool            // other hosts can connect
	slots    chan struct{}
}

// listenHTTP binds an address. Its host part may be a name, and requests may use it.
func listenHTTP(address string, names []string) (*web, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	w := &web{
		listener: newBoundedListener(l), names: map[string]bool{"localhost": true}, exposed: !report.Loopback(l.Addr()),
		slots: make(chan struct{}, mostAnswered),
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		names = append([]string{host}, names...)
	}
	if host, err := os.Hostname(); err == nil {
		short, _, _ := strings.Cut(host, ".")
		names = append([]string{host, short}, names...)
	}
	for _, n := range names {
		if name, ok := hostName(n); ok {
			w.names[name] = true
		}
	}
	return w, nil
}

// hostName is the host of a Host header, or of --metrics-host, in one form: without a port, in lower case, without a
// trailing dot, an IP address as netip formats it. ok is false if host is not a host.
func hostName(host string) (name string, ok bool) {
	if rest, bracketed := strings.CutPrefix(host, "["); bracketed { // RFC 3986, IP-literal
		literal, port, closed := strings.Cut(rest, "]")
		literal, _, _ = strings.Cut(literal, "%") // a zone has a meaning on the client only
		addr, err := netip.ParseAddr(literal)
		return addr.Unmap().String(), closed && validPort(port) && err == nil && addr.Is6()
	}
	if addr, err := netip.ParseAddr(host); err == nil { // IPv4, or IPv6 in a setting
		return addr.Unmap().WithZone("").String(), true
	}
	name, port, hasPort := strings.Cut(host, ":")
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if addr, err := netip.ParseAddr(name); err == nil {
		name = addr.String()
	}
	return name, name != "" && !strings.ContainsAny(name, "[]/@% \t") && (!hasPort || validPort(":"+port))
}

// validPort accepts the empty string, a colon, and a colon with a port.
func validPort(s string) bool {
	digits, ok := strings.CutPrefix(s, ":")
	_, err := strconv.ParseUint(digits, 10, 16)
	return s == "" || ok && (digits == "" || err == nil)
}

// known reports whether the Host header of a request gives a name of this host. This stops DNS rebinding: a web page
// whose own name resolves to this address sends that name. HTTP/1.0 has no Host header; such requests are accepted from
// this host only.
func (w *web) known(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if r.Host == "" {
		return !r.ProtoAtLeast(1, 1) && local != nil && report.Loopback(local)
	}
	name, ok := hostName(r.Host)
	if !ok {
		return false
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		if tcp, ok := local.(*net.TCPAddr); ok && tcp.AddrPort().Addr().Unmap().WithZone("") == addr {
			return true
		}
	}
	return w.names[name]
}

// guard refuses bad requests and bounds the work on good ones. An answer is made in memory, so that a client that does
// not read it delays no other.
func (w *web) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		answering(r.Context())
		refuse := func(status int, why string) {
			out.Header().Set("Connection", "close")
			http.Error(out, why, status)
		}
		switch {
		case r.ProtoMajor != 1:
			refuse(http.StatusHTTPVersionNotSupported, "use HTTP/1.1")
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			out.Header().Set("Allow", "GET, HEAD")
			refuse(http.StatusMethodNotAllowed, "use GET or HEAD")
		case r.ContentLength != 0:
			refuse(http.StatusRequestEntityTooLarge, "send no body")
		case !w.known(r):
			refuse(http.StatusMisdirectedRequest, "unknown host name: allow it with tap25 sniff --metrics-host")
		default:
			w.answer(out, r, h)
		}
	})
}

// answer waits for a free slot, then calls h.
func (w *web) answer(out http.ResponseWriter, r *http.Request, h http.Handler) {
	select {
	case w.slots <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	a := &heldAnswer{header: http.Header{}, status: http.StatusOK}
	func() {
		defer func() { <-w.slots }()
		h.ServeHTTP(a, r)
	}()
	maps.Copy(out.Header(), a.header)
	out.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	out.WriteHeader(a.status)
	_, _ = io.Copy(out, &a.body)
}

// heldAnswer collects an answer in memory.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(status int)      { a.status = status }
func (a *heldAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }

// server returns an HTTP server for h with all limits set.
func (w *web) server(h http.Handler, complaints *log.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: w.guard(h), Protocols: &protocols, ConnContext: noteConn, DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:    mostHeader,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, ErrorLog: complaints,
	}
}

// serve serves until ctx ends.
func (w *web) serve(ctx context.Context, server *http.Server) error {
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(w.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
