package hostile

// Ordinary is not an attack but ordinary traffic: sessions of one mail of 1 to 40 KiB each, several at a time, with an
// acknowledgment of every other full segment. It is not among Shapes.
func Ordinary() Shape { return Shape{Name: "ordinary mail", fill: ordinary} }

func ordinary(w *Wire) {
	const together = 8
	line := full("A line of a message, as long as most of them are, in full segments.\r\n")
	for i := 0; w.room(); i += together {
		var all [together]*session
		for k := range all {
			all[k] = w.session(i + k).begin().data()
		}
		for n := range 29 {
			for k, s := range all {
				if n >= 1<<(k%6) {
					continue // it has sent all
				}
				if s.client(line); n%2 == 1 {
					s.ack(fromServer)
				}
			}
		}
		for _, s := range all {
			s.client(".\r\n")
			s.server("250 2.0.0 Ok: queued as 4Xq1Zb2vWkz9rT\r\n")
			s.client("QUIT\r\n")
			s.server("221 bye\r\n")
			s.send(fromServer, FIN|ACK, "")
			s.send(fromClient, FIN|ACK, "")
			s.ack(fromServer)
		}
	}
}
