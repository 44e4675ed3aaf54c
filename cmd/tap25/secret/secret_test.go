package secret

import "testing"

// secretWord is a password that nothing else contains.
const secretWord = "Zwiebelkuchen-2207"

// passwordForms are connection strings with it, as pgx or libpq read them, or as people miswrite them.
func passwordForms() []string {
	return []string{
		"postgres://u:" + secretWord + "@h/x", "postgresql://u:" + secretWord + "@h:5432,i/x?sslmode=require",
		"POSTGRES://u:" + secretWord + "@h", " postgres://u:" + secretWord + "@h/x",
		"postgres://:" + secretWord + "@h/x", "postgres://u%40v:%5A" + secretWord[1:] + "@[::1]:1/x",
		"postgres://u:a:b@c" + secretWord + "@h/x", "postgres://u:" + secretWord + "@",
		"postgres://u:" + secretWord + "#1@h/x", "postgres://u:" + secretWord + "/1@h/x",
		"postgres://u:?" + secretWord + "@h/x", "postgres://u:%zz" + secretWord + "@h/x",
		"postgres://h/x?password=" + secretWord, "postgres://u@h/x?sslmode=require&password=" + secretWord,
		"postgres://u@h/x?pass%77ord=" + secretWord, "postgres://u@h/x?PASSWORD=" + secretWord,
		"postgres://u@h/x?sslcert=c&sslpassword=" + secretWord, "postgres://?user=u&password=" + secretWord,
		"mysql://u:" + secretWord + "@h/x",
		"host=h password=" + secretWord, "password = '" + secretWord + "' host=h",
		"host=h\tpassword\n=\n'a\\'b " + secretWord + "'", `host=h password=a\ b` + secretWord,
		"host='h' password='" + secretWord,
		"dbname='a b'password=" + secretWord, "sslpassword=" + secretWord + " host=h", "PassWord=" + secretWord,
		"host=h passwd password=" + secretWord, "user=u oauth_client_secret=" + secretWord,
	}
}

// plainForms hold none.
func plainForms() []string {
	return []string{
		"local", "", "postgres://u@h/x", "postgres://u:@h/x", "postgres://h:5432/x?application_name=a@b",
		"postgres://h:1,i:2/x?target_session_attrs=read-write", "postgres://[::1]:5432/x?options=a@b",
		"postgres://u@h/x?passfile=/etc/tap25/pgpass", "postgres://u@h/x?require_auth=password",
		"postgres:///password?password=", "host=h user=password", "host=h dbname='a password=b'",
		"host=h passfile=/a/b", "host=/run/postgresql user=u dbname=x", "host=h password=''", "host=h password= ",
		"host=h require_auth=password",
	}
}

func TestInDSN(t *testing.T) {
	for _, dsn := range passwordForms() {
		if !InDSN(dsn) {
			t.Errorf("none found in %q", dsn)
		}
	}
	for _, dsn := range plainForms() {
		if InDSN(dsn) {
			t.Errorf("found in %q", dsn)
		}
	}
}

func TestInArguments(t *testing.T) {
	for _, dsn := range passwordForms() {
		for _, args := range [][]string{{"db", "status", "--db", dsn}, {"db", "status", "--db=" + dsn},
			{"db", "psql", "--", "-d", dsn}, {"db", "psql", "--", "--dbname=" + dsn}} {
			if !InArguments(args) {
				t.Errorf("none found in %q", args)
			}
		}
	}
	// where no connection belongs
	for _, dsn := range []string{passwordForms()[0], "host=h password=" + secretWord, "password=" + secretWord} {
		for _, args := range [][]string{{"db", "status", dsn}, {"replay", dsn}, {"replay", "--dbs=" + dsn},
			{"db", "psql", dsn}, {"db", "psql", "--", "-Atd" + dsn}, {dsn}} {
			if !InArguments(args) {
				t.Errorf("none found in %q", args)
			}
		}
	}
	for _, dsn := range plainForms() {
		if args := []string{"db", "status", "--db", dsn}; InArguments(args) {
			t.Errorf("found in %q", args)
		}
	}
	for _, args := range [][]string{{"hold", "add", "a@b", "--reason", "password=x"},
		{"hold", "add", "a@b", "--reason=postgres://u:p@h"}, {"db", "psql", "--", "-c", "set password=x"}} {
		if InArguments(args) { // text for people, or SQL
			t.Errorf("found in %q", args)
		}
	}
}
