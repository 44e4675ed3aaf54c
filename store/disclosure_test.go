package store

import (
	"slices"
	"testing"
	"time"
)

// disclosers are the statements that tap25 disclose makes of an answer.
var disclosers = []string{"select case_warrants($1)", "select answer_completeness($1)", "select case_leaves($1)"}

// TestCase_WhatAnAnswerRestsOnIsForWhoAsked asks, and has others, and the same auditor at other times, look at what the
// answer rests on.
func TestCase_WhatAnAnswerRestsOnIsForWhoAsked(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	admin, auditor := as(t, db, "tap25_admin", "admin"), as(t, db, "tap25_auditor", "auditor")
	other := as(t, db, "tap25_auditor", "other")
	id := grant(t, db, admin, auditor, "b@b.example", "192.0.2.0/24")
	openCase(t, auditor)
	a, err := auditor.AskCase(t.Context(), CaseQuestion{Case: "2026-17"})
	if err != nil {
		t.Fatal(err)
	}
	if w := a.Warrants; len(w) != 1 || w[0].ID != id || w[0].Basis != "order" || w[0].Approver == nil ||
		*w[0].Approver == w[0].Applicant || !slices.Equal(w[0].Targets, []string{"b@b.example", "192.0.2.0/24"}) {
		t.Errorf("%+v", w)
	}
	refuse := func(who *DB, whose string) {
		t.Helper()
		for _, sql := range disclosers {
			if _, err := who.Conn().Exec(t.Context(), sql, a.Number); err == nil {
				t.Errorf("%s: %s is answered", whose, sql)
			}
		}
	}
	refuse(other, "another auditor")
	refuse(admin, "an administrator")
	for _, sql := range disclosers {
		if _, err := auditor.Conn().Exec(t.Context(), sql, a.Number); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// a question of the same transaction is not on record yet
	tx, err := auditor.Conn().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var number int64
	if err := tx.QueryRow(t.Context(), "select ask_case('2026-17')").Scan(&number); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select case_leaves($1)", number); err == nil {
		t.Error("leaves are shown before the question is committed")
	}
	tx.Rollback(t.Context())
	run(t, admin, "select end_warrant($1, 'withdrawn')", id)
	refuse(auditor, "after the warrant's end")
}

// TestCase_ATargetAndATimeBoundTheAnswer compares answers with the rows that were loaded.
func TestCase_ATargetAndATimeBoundTheAnswer(t *testing.T) {
	db := database(t, false)
	heldDay(t, db)
	admin, auditor := as(t, db, "tap25_admin", "admin"), as(t, db, "tap25_auditor", "auditor")
	grant(t, db, admin, auditor, "b@b.example", "192.0.2.0/24")
	openCase(t, auditor)
	target, late := "b@b.example", time.Date(2020, 2, 29, 23, 59, 59, 0, time.UTC)
	for _, q := range []CaseQuestion{{Case: "2026-17"}, {Case: "2026-17", Target: &target},
		{Case: "2026-17", Since: &late}} {
		a, err := auditor.AskCase(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var rows int64
		for r, err := range auditor.CaseMail(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if q.Target != nil && *r.Envelope.RcptTo != target && *r.Envelope.MailFrom != target {
				t.Error("a row of another target")
			}
			rows++
		}
		if rows != a.Rows || (rows == 0) != (q.Since != nil) {
			t.Errorf("%d rows, %d are recorded", rows, a.Rows)
		}
		for tree, err := range auditor.CaseTrees(t.Context(), a.Number) {
			t.Errorf("a tree of rows that nobody has signed: %v, %v", tree, err)
		}
	}
}
