package smtp

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// queueReplies are replies that mail services give to a message, as they stand in public logs, with other hosts and
// names.
var queueReplies = []struct{ server, text, id string }{
	{"Gmail", "2.0.0 OK  1653776100 r33-20020a056870582100b000f169cbbb32sm1847208oap.43 - gsmtp",
		"r33-20020a056870582100b000f169cbbb32sm1847208oap.43"},
	{"Gmail", "2.0.0 OK 1763692895 d75a77b69052e-4ee48d19aacsi14375621cf.66 - gsmtp",
		"d75a77b69052e-4ee48d19aacsi14375621cf.66"},
	{"Gmail", "2.0.0 OK DMARC:Quarantine 1664444171 u17-20020adfdd51000000b0022cc3f2bf13si3225188wrm.271 - gsmtp",
		"u17-20020adfdd51000000b0022cc3f2bf13si3225188wrm.271"},
	{"Gmail before 2012", "2.0.0 OK 1321118137 q15si6316124anp.165", "q15si6316124anp.165"},
	{"Gmail", "2.0.0 OK - gsmtp", ""},
	{"Gmail", "2.0.0 OK  1726000000 - gsmtp", ""},
	{"Gmail", "2.0.0 OK DMARC:Quarantine", ""},
	{"Outlook", "2.6.0 <5d1c@a.example> [InternalId=29072633627620, Hostname=DU0P192MB2073.mail.example] 9803 bytes " +
		"in 0.195, 49.066 KB/sec Queued mail for delivery -> 250 2.1.5", "29072633627620"},
	{"Exchange 2010", "2.6.0 <b4@a.example> [InternalId=47014] Queued mail for delivery", "47014"},
	{"Exchange 2003", "2.6.0  <b4@a.example> Queued mail for delivery", ""},
	{"Exchange", "2.6.0 <b4@a.example> [InternalId=id, Hostname=mail.example] Queued mail for delivery", ""},
	{"Yahoo", "ok dirdel", ""},
	{"Yahoo", "ok dirdel 2/0", ""},
	{"AOL", "2.0.0 Ok: queued as 24F3A700000A5", "24F3A700000A5"},
	{"Amazon SES", "Ok 0100016e4ab7c399-5058a2a5-d4ad-407b-92b8-94472f229325-000000",
		"0100016e4ab7c399-5058a2a5-d4ad-407b-92b8-94472f229325-000000"},
	{"Amazon SES, inbound", "OK l4197s426n35rjco8q207aobl54evg15sn65oog1", "l4197s426n35rjco8q207aobl54evg15sn65oog1"},
	{"Amazon SES", "Ok 0100016e4ab7c399-5058a2a5-d4ad-407b-92b8-94472f229325", ""},
	{"iCloud", "2.0.0 Ok: queued as D04B3C0008B", "D04B3C0008B"},
	{"iCloud before 2019", "2.5.0 Ok, envelope id 0LUD00A9Q8EK4BQ0@smtpin135.mail.example",
		"0LUD00A9Q8EK4BQ0@smtpin135.mail.example"},
	{"iCloud", "2.5.0 Ok.", ""},
	{"iCloud", "2.5.0 Ok and options.", ""},
	{"Proofpoint", "2.0.0 33h24dpdsr-1 Message accepted for delivery", "33h24dpdsr-1"},
	{"Proofpoint", "2.0.0 3q4dvt3m1d-1 Message accepted for delivery.", "3q4dvt3m1d-1"},
	{"Cloudmark", "2.0.0 6FVIjIMwUJwU66FVIjAEB0 mail accepted for delivery", "6FVIjIMwUJwU66FVIjAEB0"},
	{"Mimecast", "SmtpThread-230451-1550091842414@mta-2.mail.example Received OK [fOaMSUFaOlaIZIgN0p5oOA.us31]",
		"fOaMSUFaOlaIZIgN0p5oOA.us31"},
	{"Mimecast", "2.0.0 Received OK [Aj3QXapeMpqZYaeFwWhjzw.us32]", "Aj3QXapeMpqZYaeFwWhjzw.us32"},
	{"Mimecast", "SmtpThread-230451-1550091842414@mta-2.mail.example Received OK", ""},
	{"Barracuda", "Ok: queued as bess-1234567-5C3E7A1B", "bess-1234567-5C3E7A1B"},
	{"Yandex", "2.0.0 Ok: queued on mxfront7o.mail.example as 1589909839-bA0qK0Zi51-bIQuI0q9",
		"1589909839-bA0qK0Zi51-bIQuI0q9"},
	{"Yandex", "2.0.0 Ok: queued on mail-nwsmtp-10.mail.example 1682952938-btNFgWJPMCg0-4gaCVu2s",
		"1682952938-btNFgWJPMCg0-4gaCVu2s"},
	{"Yandex before 2013", "2.0.0 Ok: queued on mxfront35.mail.example as 0J4u9PaF-0J4WuG2S", "0J4u9PaF-0J4WuG2S"},
	{"Yandex", "2.0.0 Ok: queued on mxback1j.mail.example", ""},
	{"Mail.ru", "OK id=1ptY0i-009HgJ-1h", "1ptY0i-009HgJ-1h"},
	{"Mail.ru, Exim 4.97", "OK id=1wbi1J-00000000BmK-3yPw", "1wbi1J-00000000BmK-3yPw"},
	{"SMTP2GO", "OK id=1vhsr7-FnQW0hPugdQ-KFqD", "1vhsr7-FnQW0hPugdQ-KFqD"},
	{"GMX", "Requested mail action okay, completed: id=1MKsaz-1wevcp3BHR-00M7kH", "1MKsaz-1wevcp3BHR-00M7kH"},
	{"GMX", "Requested mail action okay, completed: id=", ""},
	{"GMX", "Requested mail action okay, completed", ""},
	{"Zoho", "Message received", ""},
	{"MailChannels", "2.0.0 Ok: queued as 4Yz1Xq0kZ9z3nQ7", "4Yz1Xq0kZ9z3nQ7"},
	{"SendGrid", "Ok: queued as nhIMmON9SFOPcT0ii4nt2A", "nhIMmON9SFOPcT0ii4nt2A"},
	{"SendGrid, without a digit", "Ok: queued as nhIMmONaSFOPcTciiQntAA", "nhIMmONaSFOPcTciiQntAA"},
	{"Brevo", "2.0.0 OK: queued as <202506021130.1234@relay.example>", ""},
	{"a Message-ID without brackets", "2.0.0 OK: queued as 202506021130.1234@relay.example", ""},
	{"Haraka", "Message Queued (6D9A1F3E-0B2C-4C5D-8E7F-1A2B3C4D5E6F.1)", "6D9A1F3E-0B2C-4C5D-8E7F-1A2B3C4D5E6F.1"},
	{"Haraka", "2.0.0 Message Queued (6D9A1F3E-0B2C-4C5D-8E7F-1A2B3C4D5E6F.1)",
		"6D9A1F3E-0B2C-4C5D-8E7F-1A2B3C4D5E6F.1"},
	{"Haraka", "Message Queued", ""},
	{"Stalwart", "2.0.0 Message queued with id 217700302698266624.", "217700302698266624"},
	{"Stalwart", "2.0.0 Message queued with id 3042a1b2c3d4e5f.", "3042a1b2c3d4e5f"},
	{"Stalwart", "2.0.0 Message queued for delivery.", ""},
	{"Postfix with Rspamd", "2.0.0 Ok: queued as 4F1B2C0D5E", "4F1B2C0D5E"},
	{"Postfix after amavisd", "2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4Yz1Xq0kZ9z3nQ7",
		"4Yz1Xq0kZ9z3nQ7"},
	{"Postfix, postscreen's dummy", "2.0.0 Ok: queued as FEDCBADE", "FEDCBADE"},
	{"NetEase", "Mail OK queued as zwqz-smtp-mta-g1-0,_____wD3X1Kvab5kZw--.1234S2 1653776100",
		"zwqz-smtp-mta-g1-0,_____wD3X1Kvab5kZw--.1234S2"},
	{"another", "Ok: queued as 4F1B2C0D5E, thank you", "4F1B2C0D5E"},
	{"Sendmail", "2.0.0 36VKKS9J026559 Message accepted for delivery", "36VKKS9J026559"},
	{"Sendmail with queue groups", "2.0.0 36VKKS9J026559-36VKKS9K026559 Message accepted for delivery",
		"36VKKS9J026559-36VKKS9K026559"},
	{"Sendmail", "2.5.0 Message accepted for delivery", ""},
	{"another", "Thankyou Message accepted for delivery", ""},
	{"OpenSMTPD", "2.0.0: a1b2c3d4 Message accepted for delivery", "a1b2c3d4"},
	{"OpenSMTPD", "2.0.0 deadbeef Message accepted for delivery", "deadbeef"},
	{"Cisco", "ok:  Message 64111812 accepted", "64111812"},
	{"Cisco", "ok:  Message accepted", ""},
	{"Dovecot", "2.0.0 <b@b.example> GHPsGQ5yWVhFEQAAeTjFSw Saved", "GHPsGQ5yWVhFEQAAeTjFSw"},
	{"Dovecot, second mail", "2.0.0 <b@b.example> GHPsGQ5yWVhFEQAAeTjFSw:2 Saved", "GHPsGQ5yWVhFEQAAeTjFSw:2"},
	{"Dovecot", "2.0.0 <b@b.example> Saved", ""},
	{"hMailServer", "Queued (11.594 seconds)", ""},
	{"Mailgun", "Great success", ""},
	{"a sentence", "Message queued on Monday 1682952938", ""},
	{"a sentence", "Message queued as requested", ""},
	{"capitals alone", "2.0.0 Ok: queued as QOUT", "QOUT"},
	{"a word", "Message queued as Requested.", ""},
	{"a sentence", "Requeued as 4F1B2C0D5E", ""},
	{"another status", "2.a.0 4F1B2C0D5E Message accepted for delivery", ""},
	{"only a status", "2.0.0     ", ""},
	{"only a status", "2.0.000000000", ""},
}

func TestQueueID_OfMailServices(t *testing.T) {
	for _, r := range queueReplies {
		if got := queueID(250, []byte(r.text)); got != r.id {
			t.Errorf("%s: %q gives %q, want %q", r.server, r.text, got, r.id)
		}
	}
	if id := queueID(251, []byte("2.0.0 Ok: queued as 4F1B2C0D5E")); id != "" {
		t.Errorf("251 gives %q", id)
	}
}

// The forms in which servers name the message that they took, after the enhanced status code.
var queueExpressions = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bqueued (?:as |with id |on [^ .]*\.[^ ]* (?:as )?)([0-9A-Za-z._-][0-9A-Za-z._,-]{0,63})(?:$|[ \t;:)\]])`),
	regexp.MustCompile(`(?i)^OK +(?:DMARC:\S* +)?[0-9]{9,11} +([0-9A-Za-z-]{1,60}\.[0-9]{1,19})(?: - gsmtp)?[ \t]*$`),
	regexp.MustCompile(`(?i)^(?:OK |Requested mail action okay, completed: )id=([0-9A-Za-z-]{10,40})\s*$`),
	regexp.MustCompile(`(?i)^([0-9A-Za-z-]{8,64}) (?:Message|mail) accepted for delivery`),
	regexp.MustCompile(`\[InternalId=([0-9]{1,24})[,\]]`),
	regexp.MustCompile(`(?i)^Message Queued \(([0-9A-Za-z.-]{8,64})\)`),
}

var (
	statusExpression = regexp.MustCompile(`^2\.[0-9]{1,3}\.[0-9]{1,3}:? +`)
	longHex          = regexp.MustCompile(`^[0-9A-Fa-f]{8,}$`)
	yandexName       = regexp.MustCompile(`^[0-9]{9,11}-`)
)

// wantQueueID is what the expressions find.
func wantQueueID(text string) (id string, form int) {
	text = text[len(statusExpression.FindString(text)):]
	for i, expression := range queueExpressions {
		for _, m := range matchesOf(expression, text) {
			id := text[m[2]:m[3]]
			if i == 0 {
				id = strings.TrimRight(id, ".,")
			}
			words := strings.ToLower(text[m[0]:m[2]])
			if i == 0 && strings.Contains(words, "queued on ") && !strings.HasSuffix(words, " as ") &&
				!yandexName.MatchString(id) {
				continue
			}
			if isNamelike(id) {
				return id, i
			}
		}
	}
	return "", -1
}

// matchesOf is where an expression matches, even if matches overlap.
func matchesOf(expression *regexp.Regexp, text string) (all [][]int) {
	for from := 0; ; {
		m := expression.FindStringSubmatchIndex(text[from:])
		if m == nil || from > 0 && strings.HasPrefix(expression.String(), "(?i)^") {
			return all
		}
		all = append(all, []int{from + m[0], from + m[1], from + m[2], from + m[3]})
		from += m[0] + 1
	}
}

func isNamelike(id string) bool {
	tail := id[min(len(id), 1):]
	return strings.ContainsAny(id, "0123456789") || longHex.MatchString(id) ||
		strings.ToLower(tail) != tail && (len(id) >= 16 || len(id) >= 4 && strings.ToUpper(id) == id)
}

// TestQueueID_IsThatOfTheExpressions draws replies around those of all servers that are known.
func TestQueueID_IsThatOfTheExpressions(t *testing.T) {
	r := rand.New(rand.NewPCG(25, 5321))
	heads := []string{"2.0.0 Ok: queued as ", "OK id=", "Ok: Queued as ", "[InternalId=", "<m@x> [InternalId=",
		"2.0.0 ", "2.0.0: ", "Message Queued (", "2.0.0 message queued (", "",
		"2.0.0 OK  1653776100 ", "ok 1653776100 ", "2.0.0 Ok: queued on mx.example as ",
		"2.0.0 Ok: queued on mx.example ", "2.0.0 Message queued with id ",
		"Requested mail action okay, completed: id="}
	pieces := []string{"queued as ", "QUEUED AS ", "_queued as ", "4ABCDE1234", "1xW9xb-00000P-2C", "-", ".", "_", " ",
		"\t", "é", "queued as x", "accepted", "Queued", "[InternalId=", "25", "25]", "25, ", ",", "]", ")",
		" Message accepted for delivery", "0123456789012345678901234567890123456789", "", "word", " - gsmtp",
		"q15si6316124anp.165", "1589909839-bA0q", " mail accepted for delivery", "@mx.example"}
	met := map[int]int{}
	for range 400_000 {
		text := heads[r.IntN(len(heads))]
		for range r.IntN(5) {
			text += pieces[r.IntN(len(pieces))]
		}
		want, form := wantQueueID(text)
		if len(text) < 8 {
			want = ""
		}
		if form == 1 && len(want) < 8 {
			want = ""
		}
		if met[form]++; queueID(250, []byte(text)) != want {
			t.Fatalf("%q: %q, want %q", text, queueID(250, []byte(text)), want)
		}
	}
	for form := range queueExpressions {
		if met[form] < 100 {
			t.Errorf("form %d was drawn %d times only", form, met[form])
		}
	}
}

// FuzzQueueID: whatever a server says, what is taken for a name stands in it, is one word, and has no end of a line.
func FuzzQueueID(f *testing.F) {
	for _, r := range queueReplies {
		f.Add([]byte(r.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		id := queueID(250, text)
		if !strings.Contains(string(text), id) || len(id) > 128 || strings.ContainsAny(id, " \t\r\n<>") {
			t.Errorf("%q gives %q", text, id)
		}
	})
}

// A server may send nothing but lines that look like names of messages.
func BenchmarkQueueID(b *testing.B) {
	for _, piece := range []string{"queued as ;", "queued on x", "queued on x.y z", "[InternalId=", "Received OK [",
		"2.0.0 Thank you", "2.1.5 Ok"} {
		text := []byte(strings.Repeat(piece, 1024/len(piece)))
		if piece == "2.1.5 Ok" {
			text = []byte(piece)
		}
		b.Run(strings.Fields(piece)[len(strings.Fields(piece))-1], func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				queueID(250, text)
			}
		})
	}
}
