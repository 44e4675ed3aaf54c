package main

import _ "embed" // the page

const sqlName = "tap25-sql"

// sqlPage is the page of what people use in SQL. 'go test ./cmd/tap25 -run TestMan -update' writes it from the catalog
// of a migrated database.
//
//go:embed tap25-sql.7
var sqlPage string
