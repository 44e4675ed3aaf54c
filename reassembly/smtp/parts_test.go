package smtp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestParts_AreChangedByTheirOwnMethodsOnly reads the package's source: a field of a part of Dialogue, or of Dialogue
// itself, is assigned to in methods of its own type and nowhere else, and so are queues and lines in it pushed to and
// popped from.
func TestParts_AreChangedByTheirOwnMethodsOnly(t *testing.T) {
	files, set := parsePackage(t)
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}
	// What it imports is not looked at: the types of its own fields are all that is asked for.
	config := types.Config{Error: func(error) {}, Importer: noImports{}}
	pkg, _ := config.Check("smtp", set, files, info)
	for _, part := range parts {
		if pkg.Scope().Lookup(part) == nil {
			t.Fatalf("there is no %s", part)
		}
	}
	found := 0
	for _, file := range files {
		for _, declaration := range file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			for _, owner := range writes(f, info) {
				if found++; owner.part != receiver(f) {
					t.Errorf("%s: %s writes a field of %s", set.Position(owner.pos), f.Name.Name, owner.part)
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("%d assignments found", found)
	}
}

// parts are the types whose fields only their own methods write.
var parts = []string{"Dialogue", "head", "clientReader", "replyReader", "dialect", "work", "backlog", "matcher",
	"marks", "anchored", "certainty", "mails", "transaction", "texts"}

// mutators are the methods that change what they are called on: of queue, line and body.
var mutators = []string{"push", "pop", "cut", "drop", "add", "feed"}

type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	pkg := types.NewPackage(path, path[strings.LastIndex(path, "/")+1:])
	pkg.MarkComplete()
	return pkg, nil
}

func parsePackage(t *testing.T) (files []*ast.File, set *token.FileSet) {
	set = token.NewFileSet()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	return files, set
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	kind := f.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	name, _ := kind.(*ast.Ident)
	if name == nil {
		return "" // of a generic type
	}
	return name.Name
}

// write is an assignment to a field of a part.
type write struct {
	pos  token.Pos
	part string
}

func writes(f *ast.FuncDecl, info *types.Info) (found []write) {
	ast.Inspect(f, func(n ast.Node) bool {
		var targets []ast.Expr
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				targets = n.Lhs
			}
		case *ast.IncDecStmt:
			targets = []ast.Expr{n.X}
		case *ast.CallExpr:
			if method, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(mutators, method.Sel.Name) {
				targets = []ast.Expr{method.X}
			}
		}
		for _, target := range targets {
			for _, part := range owners(target, info) {
				found = append(found, write{target.Pos(), part})
			}
		}
		return true
	})
	return found
}

// owners are the parts that an assignment to that changes: those of its fields up to where it follows a pointer.
func owners(target ast.Expr, info *types.Info) (found []string) {
	for {
		switch e := target.(type) {
		case *ast.ParenExpr:
			target = e.X
		case *ast.IndexExpr:
			target = e.X
		case *ast.SelectorExpr:
			field := info.Selections[e]
			if field == nil {
				return found
			}
			of := field.Recv()
			pointer, indirect := of.(*types.Pointer)
			if indirect {
				of = pointer.Elem()
			}
			if name, ok := of.(*types.Named); ok {
				if part := name.Obj().Name(); slices.Contains(parts, part) {
					found = append(found, part)
				}
			}
			if indirect {
				return found
			}
			target = e.X
		default:
			return found
		}
	}
}
