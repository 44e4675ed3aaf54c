package scope

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The bounds of a scope file.
const (
	MaxFile    = 4 << 20 // octets
	MaxEntries = 100_000 // domains and networks
)

// Load reads a scope file. The error names the file, and the line if one is at fault.
func Load(path string) (*Scope, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read scope: %w", err)
	}
	defer f.Close()
	s, err := Parse(f)
	if err != nil {
		return nil, fmt.Errorf("read scope %s: %w", path, err)
	}
	return s, nil
}

// Parse reads a scope file: YAML with the keys domains, clients, servers, origins, leave_out (lists), encrypted,
// no_address (networks, all or none) and keep_other_side (true or false). An unknown key, or an entry that is malformed
// or there twice, is an error that names its line.
func Parse(r io.Reader) (*Scope, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > MaxFile:
		return nil, fmt.Errorf("a scope file has at most %d octets", MaxFile)
	case !utf8.Valid(text):
		return nil, errors.New("this is not UTF-8")
	}
	sum := sha256.Sum256(text)
	s := &Scope{domains: &node{}, text: string(text), digest: hex.EncodeToString(sum[:])}
	top, err := document(s.text)
	if err != nil {
		return nil, err
	}
	seen := map[string]int{}
	for pair := range slices.Chunk(top.Content, 2) {
		key, value := pair[0], pair[1]
		if line, twice := seen[key.Value]; twice {
			return nil, fmt.Errorf("line %d: %q is in line %d already", key.Line, key.Value, line)
		}
		seen[key.Value] = key.Line
		if err := s.set(key, value); err != nil {
			return nil, err
		}
	}
	for _, list := range []*networks{&s.clients, &s.servers, &s.origins, &s.leaveOut} {
		*list = sorted(*list)
	}
	return s, nil
}

// document returns the mapping that is the file's only document.
func document(text string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: a scope that records nothing is written {}")
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, fmt.Errorf("line %d: a scope file is one document", more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: a scope file is keys with values, such as domains: [.be]", max(doc.Line, 1))
	}
	return doc.Content[0], nil
}

// set takes a key and its value.
func (s *Scope) set(key, value *yaml.Node) error {
	fail := func(at *yaml.Node, err error) error { return fmt.Errorf("line %d: %s: %w", at.Line, key.Value, err) }
	lists := map[string]*networks{
		"clients": &s.clients, "servers": &s.servers, "origins": &s.origins, "leave_out": &s.leaveOut,
	}
	switch key.Value {
	case "domains", "clients", "servers", "origins", "leave_out":
		entries, err := entriesOf(value)
		if err != nil {
			return fail(value, err)
		}
		for _, e := range entries {
			if e.Kind != yaml.ScalarNode || e.Tag == "!!null" || e.Value == "" {
				return fail(e, errors.New("an entry is a text"))
			}
			if err := s.entry(lists[key.Value], Entry{e.Value, e.Line}); err != nil {
				return fail(e, fmt.Errorf("%q: %w", e.Value, err))
			}
		}
		return nil
	case "encrypted", "no_address":
		which := map[string]mode{"networks": inNetworks, "all": all, "none": none}
		m, ok := which[value.Value]
		if value.Kind != yaml.ScalarNode || !ok {
			return fail(value, errors.New("this is networks, all or none"))
		}
		if key.Value == "encrypted" {
			s.encrypted = m
		} else {
			s.noAddress = m
		}
		return nil
	case "keep_other_side":
		if value.Kind != yaml.ScalarNode || value.Value != "true" && value.Value != "false" {
			return fail(value, errors.New("this is true or false"))
		}
		s.keepOtherSide = value.Value == "true"
		return nil
	}
	return fmt.Errorf("line %d: unknown key %q: the keys are domains, clients, servers, origins, leave_out, "+
		"encrypted, no_address and keep_other_side", key.Line, key.Value)
}

// entriesOf returns the entries of a list.
func entriesOf(value *yaml.Node) ([]*yaml.Node, error) {
	if value.Kind != yaml.SequenceNode {
		return nil, errors.New("this is not a list")
	}
	return value.Content, nil
}

// entry adds an entry to a list of networks, or to the domains if there is no list.
func (s *Scope) entry(list *networks, e Entry) error {
	if s.domainCount+s.networksCount == MaxEntries {
		return fmt.Errorf("a scope file has at most %d entries", MaxEntries)
	}
	if list == nil {
		s.domainCount++
		return s.domains.add(e.Text, e.Line)
	}
	p, err := parseNetwork(e.Text)
	if err == nil {
		*list = append(*list, network{p, e})
		s.networksCount++
	}
	return err
}
