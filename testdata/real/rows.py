"""Derives the expected rows of a capture from the servers' own logs, never from packets and never from tap25.

The logs hold each server's dialogues: Postfix's smtpd -v writes "< peer: COMMAND" and "> peer: REPLY", Exim's debug
output "SMTP<< COMMAND" and "SMTP>> REPLY", OpenSMTPD's trace "<<< COMMAND" and ">>> REPLY". A server reads commands one
by one and has told bodies from commands already, so that what remains is to pair neighbours.
"""

import ipaddress
import re

LOGS = "postfix-server/mail.log", "exim-server/log/mainlog", "exim-server/debug", "opensmtpd-server.log"


def logs(work):
    for name in LOGS:
        if not (work / name).exists():
            (work / name).touch()
    return [work / name for name in LOGS]


def expected(work, offsets, sent):
    new = []
    for log, offset in zip(logs(work), offsets):
        with open(log, "rb") as f:
            f.seek(offset)
            new.append(f.read().decode("utf-8", "surrogateescape").splitlines())
    sessions = postfix(new[0]) + exim(new[1], new[2]) + opensmtpd(new[3])
    octets = {(s["client_ip"], s["client_port"], s["mail_no"]): s["message_bytes"] for s in sent}
    stored = stored_sizes(work / "stored")
    out = []
    for session in sessions:
        for row in dialogue_rows(session):
            out.append(with_size(row, octets, stored))
    return out


def with_size(row, octets, stored):
    """Adds message_bytes where the driver or the stored message tells it."""
    if row["data_code"] is None:
        if row["outcome"] != "aborted":
            row["message_bytes"] = None
        return row
    told = [n for n in (octets.get((row["client_ip"], row.get("client_port"), row["mail_no"])), stored.get(row["queue_id"])) if n is not None]
    if len(set(told)) > 1:
        raise ValueError(f"the driver sent {told[0]} octets, the server stored {told[1]}: {row}")
    if told:
        row["message_bytes"] = told[0]
    return row


def stored_sizes(folder):
    """Octets of each stored message by queue id, as the server received it: without the header fields that it added itself."""
    sizes = {}
    for path in folder.iterdir():
        message = path.read_bytes()
        queue_id = re.search(rb"\A(?:Return-Path:.*\n|Delivered-To:.*\n|Envelope-to:.*\n)*Received: (?:.*\n)(?:[ \t].*\n)*", message)
        if not queue_id:
            continue
        trace = queue_id.group()
        name = re.search(rb"\bid ([0-9A-Za-z-]+)", trace)
        if name:
            rest = message[len(trace):]
            sizes[name.group(1).decode()] = len(rest) + rest.count(b"\n")
    return sizes


class Session:
    def __init__(self, client, port, server):
        self.client, self.port, self.server = str(ipaddress.ip_address(client)), int(port), str(ipaddress.ip_address(server))
        self.events = []  # ("C" or "S", line)
        self.sni = None


def postfix(lines):
    done, current = [], {}
    for line in lines:
        m = re.match(r"\S+ +\S+ \S+ \S+ (\S+)/smtpd\[(\d+)\]: (.*)", line)
        if not m:
            continue
        server, pid, said = m.groups()
        peer = re.match(r"connect from \S+?\[(.*?)\]:(\d+)", said)
        if peer:
            current[pid] = Session(peer[1], peer[2], server)
            done.append(current[pid])
        said = re.match(r"([<>]) \S+?\[[^\]]*\]:\d+: ?(.*)", said)
        if said and pid in current:
            current[pid].events.append(("C" if said[1] == "<" else "S", said[2]))
    return done


def exim(mainlog, debug):
    servers, names, sessions, done = {}, {}, {}, []
    for line in mainlog:
        m = re.search(r"SMTP connection from \[(.*?)\]:(\d+) I=\[(.*?)\]:25 \(TCP/IP", line)
        if m:
            servers[m[1], m[2]] = m[3]
        m = re.search(r"\[(\d+)\] \S+ <= .*? SNI=\"?([^\" ]+)", line)
        if m:
            names[m[1]] = m[2]
    for line in debug:
        m = re.match(r" *(\d+) (.*)", line)
        if not m:
            continue
        pid, said = m.groups()
        m = re.match(r"Process \d+ is handling incoming connection from (?:\(.*\) )?\[(.*?)\]:(\d+)", said)
        if m:
            sessions[pid] = Session(m[1], m[2], servers[m[1], m[2]])
            sessions[pid].sni = names.get(pid)
            done.append(sessions[pid])
        m = re.match(r"SMTP(<<|>>) ?(.*)", said)
        if m and pid in sessions:
            sessions[pid].events.append(("C" if m[1] == "<<" else "S", m[2]))
        m = re.match(r" {7}(\d{3}[- ].*)", said)  # a further line of a reply
        if m and pid in sessions and sessions[pid].events[-1][0] == "S":
            sessions[pid].events.append(("S", m[1]))
    return done


def opensmtpd(lines):
    """OpenSMTPD logs no port of the client; its sessions are those of one listener for each address family."""
    done, current, new = [], {}, None
    for line in lines:
        m = re.match(r"smtp: (0x\w+): (connected to listener|<<< ?(.*)|>>> ?(.*))", line)
        if m and m[2].startswith("connected"):
            new = current[m[1]] = Session("0.0.0.0", 0, "0.0.0.0")
            done.append(new)
        elif m:
            current[m[1]].events.append(("C", m[3]) if m[2][0] == "<" else ("S", m[4]))
        m = re.match(r"\w+ smtp connected address=(?:IPv6:)?\[?([0-9a-f.:]+)", line)
        if m:
            new.client, new.port = m[1], None
            new.server = "2001:db8:2::27" if ":" in m[1] else "192.0.2.27"
    return done


# The names that the clients were configured to ask for (SNI), where the server's log does not say.
NAMES = {"198.51.100.25": "mx.tls.exim.example", "198.51.100.26": "mx.tls.postfix.example", "198.51.100.30": "mx.desk.postfix.example"}
QUEUE_ID = re.compile(r"queued as (\w+)|OK id=(\S+)|250 2\.0\.0:? (\w+) Message accepted")


def dialogue_rows(session):
    d = Dialogue(session)
    for side, line in session.events:
        if side == "C":
            d.command(line)
        elif re.match(r"\d{3}( |$)", line):  # the last line of the reply; not Exim's notes, "(close on process exit)"
            d.reply(int(line[:3]), line)
        if d.dark:
            break
    d.close()
    return d.rows


class Dialogue:
    """RFC 5321 as one server tells it: each command followed by its reply."""

    def __init__(self, session):
        self.session, self.rows = session, []
        self.helo, self.auth, self.mail_no, self.dark = None, False, 0, False
        self.mail, self.recipients = None, []
        self.verb, self.line, self.code, self.receiving = None, "", 0, False
        self.spent = False  # a BDAT LAST refused for want of a recipient has ended the transaction, if RCPT is then refused

    def command(self, line):
        if self.verb == "AUTH" and self.code == 334:
            return  # an answer to the challenge
        self.verb, self.line, self.code, self.receiving = line.split(" ")[0].upper(), line, 0, False

    def reply(self, code, line):
        self.code, verb = code, self.verb
        if verb is None or (code == 421 and verb == "DATA" and self.receiving):
            if code == 421:
                self.close()  # the server gives up; nobody has asked
            return
        if code not in (334, 354):
            self.verb = None
        self.receiving_before, self.receiving = self.receiving, code == 354
        if verb in ("EHLO", "HELO") and code < 300:
            self.close()
            self.helo = self.line.split(" ", 1)[1].strip()
        elif verb == "AUTH" and code < 300:
            self.auth = True
        elif verb == "STARTTLS" and code == 220:
            self.close()
            self.dark = True
            self.rows.append(self.row(mail_no=0, outcome="encrypted", tls_server_name=self.session.sni or NAMES.get(self.session.client)))
        elif verb == "MAIL":
            if self.mail and (self.mail["mail_code"] or 500) < 300 and code >= 300:
                return  # nested, and refused: nothing has changed
            self.close()
            self.mail_no += 1
            path, parameters = split_path(self.line)
            size = parameters.get("SIZE")
            self.mail = dict(mail_from=path, mail_code=code, declared_size=int(size) if size else None, envid=parameters.get("ENVID"))
        elif verb == "RCPT":
            self.recipient(code)
        elif verb in ("DATA", "BDAT"):
            last = self.line.upper().endswith(" LAST")
            if verb == "BDAT" and last and code >= 400 and self.mail and not self.waiting():
                self.spent = True
            if code >= 400 and not (last and self.waiting() and re.match(r"(?i)BDAT \d+ LAST$", self.line)) and not self.receiving_before:
                self.refuse(code)
            elif code != 354 and (verb == "DATA" or last):
                self.settle(code, line)
        elif verb in ("RSET", "QUIT") and code < 300:
            self.close()

    def recipient(self, code):
        if self.spent and code == 503 and self.mail and (self.mail["mail_code"] or 500) < 300:
            self.close()
        if self.mail is None:  # outside of a transaction
            self.mail_no += 1
            self.mail = dict(mail_from=None, mail_code=None)
        path, parameters = split_path(self.line)
        original = decode_orcpt(parameters.get("ORCPT"))
        row = self.row(rcpt_to=path, rcpt_code=code, orcpt=original if original != path else None, **{**self.mail, "data_code": None})
        if code >= 400:
            row["outcome"] = refusal(code)
            if self.mail["mail_code"] and refusal(self.mail["mail_code"]) == "deferred":
                row["outcome"] = "deferred"  # what is refused behind a deferred MAIL is deferred with it
            self.rows.append(row)
        self.recipients.append(row)

    def waiting(self):
        return [row for row in self.recipients if row["outcome"] is None]

    def refuse(self, code):
        """DATA, or a chunk, was refused: that settles the recipients so far, unless a message is taken after all."""
        for row in self.waiting() or [self.mail or {}]:
            first = re.match(r"(?i)BDAT \d+( LAST)?$", self.line) and row.get("data_code")  # of a chunk, all behind it fail too
            row["data_code"] = first or code

    def settle(self, code, line):
        waiting = self.waiting()
        for row in waiting:
            row.update(data_code=code, outcome=refusal(code) or "accepted")
            name = QUEUE_ID.search(line)
            if code < 300 and name:
                row["queue_id"] = name[1] or name[2] or name[3]
        self.rows += waiting
        if waiting:
            self.mail, self.recipients = None, []

    def close(self):
        if self.mail and not self.recipients:
            self.rows.append(self.row(outcome=refusal(self.mail["mail_code"]) or refusal(self.mail.get("data_code") or 0) or "aborted", **self.mail))
        for row in self.recipients:
            if row["outcome"] is None:
                row["outcome"] = refusal(row["data_code"] or 0) or "aborted"
                self.rows.append(row)
        self.mail, self.recipients, self.spent = None, [], False

    def row(self, **known):
        s = self.session
        row = dict(client_ip=s.client, client_port=s.port, server_ip=s.server, server_port=25, helo=self.helo, mail_no=self.mail_no,
                   mail_from=None, rcpt_to=None, mail_code=None, rcpt_code=None, data_code=None, outcome=None, declared_size=None,
                   envid=None, orcpt=None, queue_id=None, auth=self.auth, tls_server_name=None, lost_bytes=0, flags=None)
        if s.port is None:
            del row["client_port"]
        row.update(known)
        return row


def refusal(code):
    return {4: "deferred", 5: "refused"}.get(code // 100)


def split_path(line):
    """The mailbox of a MAIL or RCPT command, and its parameters; None where there is no path."""
    if ":" not in line:
        return None, {}
    rest = line.split(":", 1)[1].strip()
    quoted = False
    for at, char in enumerate(rest):
        if char == '"' and rest[at - 1] != "\\":
            quoted = not quoted
        if char == ">" and not quoted:
            break
    parameters = dict((p.upper().split("=")[0], p.partition("=")[2]) for p in rest[at + 1 :].split())
    return rest[1:at], parameters


def decode_orcpt(value):
    """RFC 3461 section 4.2 (xtext) and RFC 6533 section 3 (utf-8-addr-xtext)."""
    if value is None:
        return None
    kind, _, address = value.partition(";")
    address = re.sub(rb"\+([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), address.encode()).decode()
    if kind.lower() == "utf-8":
        address = re.sub(r"\\x\{([0-9A-F]+)\}", lambda m: chr(int(m[1], 16)), address)
    return address
