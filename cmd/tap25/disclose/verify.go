package disclose

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"

	"tap25/cmd/tap25/rowfile"
	"tap25/cmd/tap25/rows"
	"tap25/store"
	"tap25/store/evidence"
	"tap25/store/numeral"
	"tap25/store/stamp"
)

// maxManifest is the most octets of manifest.json.
const maxManifest = 16 << 20

// Trust is what a directory is held to besides itself.
type Trust struct {
	Keys    []string       // fingerprints: every key of the directory must have one of these; nil: any may be
	Version string         // of this tap25: the page of another is not made anew
	Stamps  *x509.CertPool // authorities that may have stamped the manifest; nil: whose stamp it is stays open
}

// Verify checks a directory that tap25 disclose wrote, whoever made it. It needs neither a database nor a network. The
// error is of a directory that cannot be read at all; what differs is in the report.
func Verify(ctx context.Context, dir string, trust Trust) (*Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("verify the directory: %w", err)
	}
	defer root.Close()
	v := verifier{dir: root, report: &Report{}, trust: trust}
	if v.manifest() {
		if err := v.files(ctx); err != nil {
			return nil, err
		}
	}
	v.strangers()
	return v.report, nil
}

// verifier holds what the check of a directory needs.
type verifier struct {
	dir    *os.Root
	m      *Manifest
	trust  Trust
	report *Report

	rows, csv, proofs *part
	cells             *rows.Lines // makes rows.csv anew
	parquet           *part
	columns           *rowfile.Parquet // makes rows.parquet anew; nil if another version of tap25 made it, or it differs
	line              int64            // of proofs.jsonl, the last one read
	next              *rowProof        // the proof that was read last, if no row has come to it
	links             window
	tally             tally
	answer            answer
}

// strangers notes what else is in the directory.
func (v *verifier) strangers() {
	f, err := v.dir.Open(".")
	if err != nil {
		return // the files say why
	}
	defer f.Close()
	entries, err := f.ReadDir(1000)
	if err != nil {
		return
	}
	known := []string{rowsJSON, rowsCSV, rowsParquet, proofsFile, pageFile, manifestFile, signatureFile}
	if v.m != nil && v.m.Made.StampedBy != nil {
		known = append(known, stampFile)
	}
	others := 0
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			others++
		}
	}
	if others > 0 {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("%d other files are in the directory, which nothing "+
			"proves", others))
	}
}

// manifest reads manifest.json and its signature, and reports whether the other files can be held to it.
func (v *verifier) manifest() bool {
	text, err := rowfile.ReadSmall(v.dir, manifestFile, maxManifest)
	if err != nil {
		v.report.differ(manifestFile, 0, err.Error())
		return false
	}
	m, err := parseManifest(text)
	if err == nil {
		err = m.checkFiles()
	}
	if err != nil {
		v.report.differ(manifestFile, 0, err.Error())
		return false
	}
	v.m, v.report.Manifest = m, m
	key, err := m.key()
	if err != nil {
		v.report.differ(manifestFile, 0, err.Error())
		return false
	}
	signature, err := rowfile.ReadSmall(v.dir, signatureFile, ed25519.SignatureSize)
	if err == nil && !ed25519.Verify(key, text, signature) {
		err = errors.New("is not the signature of " + manifestFile + " by the key that it names")
	}
	if err != nil {
		v.report.differ(signatureFile, 0, err.Error())
		return true
	}
	v.stamp(text)
	v.report.Signer = evidence.Fingerprint(key).String()
	v.trusts(manifestFile, v.report.Signer, "of whoever disclosed")
	return true
}

// stamp checks the time stamp of the manifest, if it says that it has one.
func (v *verifier) stamp(manifest []byte) {
	if v.m.Made.StampedBy == nil {
		if v.trust.Stamps != nil {
			v.report.differ(manifestFile, 0, "has no time stamp")
		}
		return
	}
	response, err := rowfile.ReadSmall(v.dir, stampFile, stamp.Max)
	var s *stamp.Stamp
	if err == nil {
		s, err = stamp.Read(response)
	}
	if err == nil && !s.Of(manifest) {
		err = errors.New("is the time stamp of something else than " + manifestFile)
	}
	if err == nil && v.trust.Stamps != nil {
		err = s.Check(v.trust.Stamps)
	}
	if err != nil {
		v.report.differ(stampFile, 0, err.Error())
		return
	}
	v.report.StampedAt = &s.Time
	if v.trust.Stamps == nil {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("the time stamp is signed with the certificate of %q; that "+
			"it is the authority's is not checked: name its certificate", s.Signer()))
	}
}

// trusts notes a key that is not one of those that the reader named.
func (v *verifier) trusts(file, fingerprint, whose string) {
	if len(v.trust.Keys) > 0 && !slices.Contains(v.trust.Keys, fingerprint) {
		v.report.differ(file, 0, "the key "+whose+" is none of those that were named: "+fingerprint)
	}
}

// files reads the files once, row by row, and holds each to the others.
func (v *verifier) files(ctx context.Context) error {
	v.rows, v.csv = openPart(v.dir, v.m.Files[0]), openPart(v.dir, v.m.Files[1])
	v.parquet, v.proofs = openPart(v.dir, v.m.Files[2]), openPart(v.dir, v.m.Files[3])
	if v.m.Made.Version == v.trust.Version && v.parquet.broken == nil {
		v.columns = rowfile.NewParquet(v.parquet)
	}
	v.cells = newCSV()
	if header, _ := v.csv.line(); !bytes.Equal(header, v.cells.Header()) {
		v.report.differ(rowsCSV, 0, "does not begin with the names of the columns")
	}
	for number := int64(1); v.row(number); number++ {
		if number%1000 == 0 && ctx.Err() != nil {
			break
		}
	}
	if v.columns != nil {
		v.sameColumns(v.columns.Close())
		if _, err := v.parquet.r.Peek(1); v.columns != nil && err != io.EOF {
			v.report.differ(rowsParquet, 0, "has more than the rows of "+rowsJSON)
		}
	}
	for _, p := range []*part{v.csv, v.proofs} {
		if _, err := p.line(); err != io.EOF && p.broken == nil || p == v.proofs && v.next != nil {
			v.report.differ(p.want.Name, 0, "has more rows than "+rowsJSON)
		}
	}
	for _, p := range []*part{v.rows, v.csv, v.parquet, v.proofs} {
		if err := p.close(); err != nil {
			v.report.differ(p.want.Name, 0, err.Error())
		}
	}
	v.report.Evidence = v.tally.evidence()
	v.claims()
	v.page()
	if ctx.Err() != nil {
		return fmt.Errorf("verify the directory: %w", context.Cause(ctx))
	}
	return nil
}

// sameColumns notes if rows.parquet is not the file that the rows make.
func (v *verifier) sameColumns(err error) {
	if err != nil {
		v.report.differ(rowsParquet, 0, "has other rows than "+rowsJSON)
		v.columns = nil
	}
}

// row reads the next row and what the other files have of it, and reports whether there was one.
func (v *verifier) row(number int64) bool {
	line, err := v.rows.line()
	if err == io.EOF {
		return false
	} else if err != nil {
		v.report.differ(rowsJSON, number, err.Error())
		return false
	}
	r, err := rowfile.ParseJSON(line)
	if err != nil {
		v.report.differ(rowsJSON, number, err.Error())
	} else {
		v.answer.add(r)
	}
	if r != nil && v.columns != nil {
		v.sameColumns(v.columns.Add(r))
	}
	cells, err := v.csv.line()
	if err != nil && v.csv.broken == nil {
		v.report.differ(rowsCSV, number, "is not there")
		v.csv.broken = errors.New("ends before " + rowsJSON)
	} else if r != nil && err == nil && !bytes.Equal(cells, v.cells.Line(line)) {
		v.report.differ(rowsCSV, number, "is another than in "+rowsJSON)
	}
	p := v.proof(number)
	if p == nil && v.proofs.broken == nil {
		v.report.differ(proofsFile, number, "has no proof")
	} else if r != nil && p != nil {
		v.prove(p, r)
	}
	return true
}

// proof reads on until the proof of a row, and returns nil if there is none.
func (v *verifier) proof(number int64) *rowProof {
	for v.next == nil || v.next.Number < number {
		line, err := v.proofs.line()
		if err != nil {
			return nil
		}
		v.line++
		p, err := parseProof(line)
		if err == nil && p.Link != nil {
			hash, l, linkErr := openLink(p.Link, len(line))
			if err = linkErr; err == nil {
				v.links.add(hash, l)
			}
		} else if err == nil {
			if v.next = p.Row; v.next.Number < number {
				err = errors.New("a proof is not in the order of the rows")
			}
		}
		if err != nil {
			v.report.differ(proofsFile, 0, fmt.Sprintf("line %d: %v", v.line, err))
		}
	}
	if v.next.Number > number {
		return nil
	}
	p := v.next
	v.next = nil
	return p
}

// prove checks the proof of a row.
func (v *verifier) prove(p *rowProof, r *store.CaseRow) {
	if p.Unproven != "" {
		if !slices.Contains(reasons, p.Unproven) || p.Link+p.Day != "" || p.Index != 0 || p.Path != nil {
			v.report.differ(proofsFile, p.Number, "gives a reason that tap25 does not give")
			return
		}
		v.tally.miss(p.Unproven)
		return
	}
	l, err := v.links.prove(p, r.Leaf(), r.Envelope.SeenAt, r.Envelope.Sensor)
	if err == nil && !v.tally.add(l) {
		err = errors.New("there are more keys than tap25 writes")
	}
	if err != nil {
		v.report.differ(proofsFile, p.Number, err.Error())
	}
}

// claims compares what the manifest says about the rows with the rows.
func (v *verifier) claims() {
	if v.m.Rows != v.answer.Rows {
		v.report.differ(manifestFile, 0, fmt.Sprintf("says %s rows, and %s has %s", numeral.Grouped(v.m.Rows),
			rowsJSON, numeral.Grouped(v.answer.Rows)))
	}
	if v.m.Access.SHA256 != v.answer.sha256() {
		v.report.differ(rowsJSON, 0, "the rows are not those of which the database recorded the digest")
	}
	if !reflect.DeepEqual(v.m.Evidence, v.report.Evidence) {
		v.report.differ(manifestFile, 0, "says other numbers of proofs than "+proofsFile+" has")
	}
	for _, k := range v.report.Evidence.Keys {
		v.trusts(proofsFile, k.Fingerprint, "of a sensor")
	}
}

// page makes the page anew and compares it.
func (v *verifier) page() {
	p := openPart(v.dir, v.m.Files[4])
	defer func() {
		if err := p.close(); err != nil {
			v.report.differ(pageFile, 0, err.Error())
		}
	}()
	if v.m.Made.Version != v.trust.Version && p.broken == nil {
		v.report.Notes = append(v.report.Notes, pageFile+" and "+rowsParquet+" were made by another version of tap25, see "+
			manifestFile+": they were signed, but only that version shows whether they say what the other files say")
		return
	}
	switch err := writePage(p, v.m, &v.answer); {
	case p.broken != nil:
		return
	case errors.Is(err, errDiffers):
		v.report.differ(pageFile, 0, "is not the page that these rows and this manifest make")
	case err != nil:
		v.report.differ(pageFile, 0, err.Error())
	default:
		if _, err := p.r.Peek(1); err != io.EOF {
			v.report.differ(pageFile, 0, "has more than the page that these rows and this manifest make")
		}
	}
}
