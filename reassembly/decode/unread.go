package decode

// What leads no further: an EtherType, an IP protocol, a UDP port, a PPP protocol, a link type.

func (w *walk) unreadType(uint16) Verdict    { return NotIP }
func (w *walk) unreadProtocol(uint8) Verdict { return NotTCP }
func (w *walk) unreadUDP(uint16) Verdict     { return NotTCP }
func (w *walk) unreadPort([]byte) Verdict    { return NotTCP }
func (w *walk) unreadPPP(uint16) Verdict     { return NotIP }
func (w *walk) unreadLink(uint16) Verdict    { return NotIP }
