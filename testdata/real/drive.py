"""Drives the mail systems that make.sh has started, one case after the other: drive.py FOLDER [CASE…]

Each case is captured at the servers' end into NAME.pcap, and rows.py writes NAME.expected.jsonl from what the servers
logged meanwhile. Runs in the client's network namespace; process 1 is in the servers'.
"""

import gzip
import json
import os
import pathlib
import random
import signal
import smtplib
import socket
import struct
import subprocess
import sys
import time
import traceback

import rows

WORK = pathlib.Path(os.environ["W"])
POSTFIX, EXIM, OPENSMTPD, STRICT = "192.0.2.25", "192.0.2.26", "192.0.2.27", "192.0.2.28"
POSTFIX6, EXIM6, OPENSMTPD6 = "2001:db8:2::25", "2001:db8:2::26", "2001:db8:2::27"
CLIENT, CLIENT6 = "198.51.100.30", "2001:db8:1::30"
RANDOM_SEED, RANDOM_SESSIONS = int(os.environ.get("RANDOM_SEED", "25")), int(os.environ.get("RANDOM_SESSIONS", "40"))  # for each server
DEADLINE = 60  # seconds that a case may take to come to rest
IN_SERVER = ["nsenter", "--net=/proc/1/ns/net"]

# Nobody uses these anywhere; a test can look for them where they must not turn up.
CANARY_USER, CANARY_SECRET = "canary-user-qx71", "canary-secret-zw93"

LINE = "The quick brown fox jumps over the lazy dog, and nobody minds.\n"
COMMANDS = """From: a@client.example
Subject: a body that looks like a dialogue

MAIL FROM:<forged@evil.example>
RCPT TO:<victim@evil.example>
.
..
...
. RCPT TO:<dot@evil.example>
DATA
354 go ahead
.QUIT
RSET
EHLO evil.example
250 2.0.0 Ok: queued as FORGED
BDAT 10 LAST
STARTTLS
QUIT
"""

hung_up = set()  # ports of clients whose sessions are to be left out
sent = []  # what the driver knows: octets of the messages that it sent, for rows.py


def text(size, subject="a message"):
    head = f"From: a@client.example\nSubject: {subject}\n\n"
    body = "".join(f"{n:06d} {LINE}" for n in range(size // (len(LINE) + 7) + 1))
    return head + body[: max(0, size - len(head) - 1)] + "\n"


class Client(smtplib.SMTP):
    """smtplib's client, which takes down how long the messages are that it sends."""

    def __init__(self, server, source=None, name="desk.client.example", hello=True):
        source = source or (CLIENT6 if ":" in server else CLIENT)
        self.mails = 0
        super().__init__(server, 25, local_hostname=name, timeout=20, source_address=(source, 0))
        self.address, self.port = self.sock.getsockname()[:2]
        if hello:
            self.ehlo()

    def mail(self, sender, options=()):
        self.mails += 1
        return super().mail(sender, options)

    def data(self, message):
        if isinstance(message, str):
            message = message.encode()
        message = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if not message.endswith(b"\r\n"):
            message += b"\r\n"
        sent.append(dict(client_ip=self.address, client_port=self.port, mail_no=self.mails, message_bytes=len(message)))
        return super().data(message)

    def transaction(self, sender, recipients, message=None, mail=(), rcpt=()):
        self.mail(sender, list(mail))
        codes = [self.rcpt(r, list(rcpt))[0] for r in recipients]
        if any(code // 100 == 2 for code in codes):
            return self.data(message or text(500))
        return self.rset()


def inject(port, sender, recipients, message, mail=(), rcpt=()):
    """Hands a message to one of the clients' mail systems, over the loopback that is not captured."""
    with smtplib.SMTP("127.0.0.1", port, "localhost", timeout=20) as c:
        c.ehlo()
        for reply in [c.mail(sender, list(mail)), *[c.rcpt(r, list(rcpt)) for r in recipients], c.data(message.encode())]:
            if reply[0] // 100 != 2:
                raise RuntimeError(f"inject {port}: {reply}")


def via_postfix(*a, **k): inject(2525, *a, **k)
def via_exim(*a, **k): inject(2526, *a, **k)
def via_opensmtpd(*a, **k): inject(2527, *a, **k)


# ---- the cases ------------------------------------------------------------------------------------------------

def postfix_postfix_pipelining():
    via_postfix("alice@quiet.example", ["bob@postfix.example", "nobody1@postfix.example", "full@postfix.example", "carol@postfix.example",
                                        "later@postfix.example"], text(3000))
    via_postfix("alice@quiet.example", ["bob@postfix.example"], COMMANDS)
    via_postfix("alice@quiet.example", ["nobody1@postfix.example", "nobody2@postfix.example"], text(300))
    via_postfix("alice@quiet.example", [f"list-{n}@postfix.example" for n in range(60)], text(2000))


def postfix_exim_mixed_answers():
    via_postfix("alice@quiet.example", ["bob@exim.example", "nobody1@exim.example", "full@exim.example", "carol@exim.example"], text(3000))
    via_postfix("spammer@quiet.example", ["bob@exim.example", "carol@exim.example"], text(300))
    via_postfix("newcomer@quiet.example", ["bob@exim.example"], text(300))


def null_sender_bounces():
    via_postfix("alice@client.example", ["nobody-here@postfix.example"], text(800))
    via_exim("bert@client.example", ["nobody-there@postfix.example"], text(800))
    via_opensmtpd("carl@client.example", ["nobody-anywhere@exim.example"], text(800))


def exim_postfix_bdat():
    via_exim("erin@quiet.example", ["bob@postfix.example", "nobody@postfix.example", "full@postfix.example", "carol@postfix.example"], text(5000))
    via_exim("erin@quiet.example", ["bob@postfix.example"], COMMANDS)


def exim_exim_bdat_400k():
    via_exim("erin@quiet.example", ["dave@exim.example"], text(400_000))
    via_exim("erin@quiet.example", ["dave@exim.example"], COMMANDS)


def postfix_exim_data_400k():
    via_postfix("alice@quiet.example", ["dave@exim.example", "erin@exim.example"], text(400_000))


def exim_early_pipelining():
    for n in range(3):
        via_exim("erin@quiet.example", [f"dave{n}@early.exim.example"], text(700))
        settle()


def smtplib_dsn_parameters():
    with Client(POSTFIX) as c:
        c.transaction("a@client.example", ["bob@postfix.example"], mail=["RET=HDRS", "ENVID=QQ314159", "SIZE=500"],
                      rcpt=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;bob+2Blists@old.example"])
        c.transaction("a@client.example", ["carol@postfix.example"], mail=["BODY=8BITMIME", "RET=FULL"],
                      rcpt=["ORCPT=rfc822;carol@postfix.example", "NOTIFY=NEVER"])
    with Client(EXIM) as c:
        c.transaction("a@client.example", ["bob@exim.example"], mail=["SIZE=1234", "ENVID=exim-1", "RET=HDRS"],
                      rcpt=["NOTIFY=FAILURE", "ORCPT=rfc822;a+3Db+2Bc@old.example"])
    with Client(OPENSMTPD) as c:
        c.transaction("a@client.example", ["bob@opensmtpd.example"], mail=["RET=HDRS", "ENVID=open-1"], rcpt=["NOTIFY=FAILURE"])


def postfix_relays_dsn():
    for domain in "postfix.example", "exim.example":
        via_postfix("alice@quiet.example", [f"bob@{domain}"], text(400), mail=["RET=HDRS", "ENVID=relay-7"],
                    rcpt=["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;bob+2Bold@former.example"])
        via_exim("erin@quiet.example", [f"bob@{domain}"], text(400), mail=["RET=FULL", "ENVID=relay-8"],
                 rcpt=["NOTIFY=FAILURE", "ORCPT=rfc822;bob+2Bolder@former.example"])


def smtputf8_addresses():
    for server, domain in (POSTFIX, "postfix.example"), (EXIM, "exim.example"):
        with Client(server) as c:
            c.command_encoding = "utf-8"
            c.transaction("пётр@client.example", [f"δοκιμή@{domain}", f"用户@{domain}", f"plain@{domain}"], mail=["SMTPUTF8", "BODY=8BITMIME"])
    with smtplib.SMTP("127.0.0.1", 2525, "localhost") as c:
        c.ehlo()
        c.command_encoding = "utf-8"
        c.mail("zoë@quiet.example", ["SMTPUTF8"])
        c.rcpt("josé@postfix.example")
        c.data(text(300).encode())


def bodies_like_commands():
    for server, domain in (POSTFIX, "postfix.example"), (EXIM, "exim.example"), (OPENSMTPD, "opensmtpd.example"):
        with Client(server) as c:
            c.transaction("a@client.example", [f"bob@{domain}"], COMMANDS)
            c.transaction("a@client.example", [f"carol@{domain}"], "Subject: dots\n\n.\n.\n..\n.MAIL FROM:<b@evil.example>\n")


def starttls():
    via_postfix("alice@quiet.example", ["bob@tls.exim.example"], text(400))
    via_exim("erin@quiet.example", ["bob@tls.postfix.example"], text(400))
    via_opensmtpd("carl@quiet.example", ["bob@tls.exim.example"], text(400))
    with Client(POSTFIX) as c:
        context = smtplib.ssl._create_unverified_context()
        c._host = "mx.desk.postfix.example"  # the name that smtplib gives as SNI
        c.starttls(context=context)
        c.ehlo()
        c.sendmail("a@client.example", "bob@postfix.example", text(300))
    with Client(OPENSMTPD) as c:  # refused: without arguments it would have been taken
        c.docmd("STARTTLS now")
        c.transaction("a@client.example", ["bob@opensmtpd.example"])


def ipv6():
    via_postfix("alice@quiet.example", ["bob@v6.exim.example"], text(3000))
    via_exim("erin@quiet.example", ["bob@v6.postfix.example", "nobody@v6.postfix.example"], text(3000))
    via_exim("erin@quiet.example", ["bob@v6.opensmtpd.example"], text(3000))
    with Client(POSTFIX6) as c:
        c.transaction("a@client.example", ["bob@postfix.example"])


def auth_plain_and_login():
    with Client(EXIM) as c:  # PLAIN with an initial response
        c.login(CANARY_USER, CANARY_SECRET)
        c.transaction("a@client.example", ["bob@exim.example", "nobody@exim.example"])
    plain = smtplib.encode_base64(f"\0{CANARY_USER}\0{CANARY_SECRET}".encode(), eol="")
    user, secret = (smtplib.encode_base64(s.encode(), eol="") for s in (CANARY_USER, CANARY_SECRET))
    wrong = smtplib.encode_base64(b"\0canary-user-qx71\0canary-wrong-vy55", eol="")
    for dialogue in (["AUTH PLAIN", plain], ["AUTH LOGIN", user, secret], ["auth login " + user, secret],
                     ["AUTH PLAIN " + wrong], ["AUTH LOGIN", "*"], ["AUTH PLAIN " + wrong, "AUTH LOGIN", user, secret]):
        with Client(EXIM) as c:
            for line in dialogue:
                c.docmd(line)
            c.transaction("a@client.example", ["bob@exim.example"])


def go_many_mails():
    for server, domain in (POSTFIX, "postfix.example"), (EXIM, "exim.example"), (OPENSMTPD, "opensmtpd.example"):
        out = subprocess.run([WORK / "goclient", "198.51.100.31", server, "12", domain], check=True, capture_output=True, text=True, timeout=60)
        sent.extend(json.loads(line) for line in out.stdout.splitlines())


def postfix_connection_cache():
    for n in range(6):
        via_postfix("alice@quiet.example", [f"bob{n}@cached.postfix.example"] + ["nobody@cached.postfix.example"] * (n % 2), text(500 + n))


def sender_refused_at_mail():
    via_postfix("spammer@quiet.example", ["bob@strict.example", "carol@strict.example"], text(300))
    via_postfix("newcomer@quiet.example", ["bob@strict.example"], text(300))
    with Client(STRICT) as c:
        c.mail("spammer@client.example")
        c.transaction("a@client.example", ["bob@postfix.example"])
        c.transaction("newcomer@client.example", ["bob@postfix.example"])


def refused_after_data():
    for server, domain in (POSTFIX, "postfix.example"), (EXIM, "exim.example"):
        with Client(server) as c:
            c.transaction("a@client.example", [f"bob@{domain}", f"carol@{domain}"], text(900, "late-reject"))
            c.transaction("a@client.example", [f"bob@{domain}"], text(900))
        via_exim("erin@quiet.example", [f"bob@{domain}"], text(900, "late-reject"))


def deferred_after_data():
    with Client(POSTFIX) as c:
        c.transaction("too-late@client.example", ["bob@postfix.example", "nobody@postfix.example", "carol@postfix.example"], text(900))
    with Client(EXIM) as c:
        c.transaction("a@client.example", ["bob@exim.example"], text(900, "late-defer"))
    via_postfix("alice@quiet.example", ["bob@exim.example"], text(900, "late-defer"))
    via_exim("erin@quiet.example", ["bob@exim.example"], text(900, "late-defer"))


def opensmtpd_server():
    via_postfix("alice@quiet.example", ["bob@opensmtpd.example", "nobody@opensmtpd.example", "carol@opensmtpd.example"], text(3000))
    via_exim("erin@quiet.example", ["bob@opensmtpd.example"], text(3000))
    with Client(OPENSMTPD) as c:
        c.transaction("a@client.example", ["bob@opensmtpd.example", "x@elsewhere.example"])
        c.transaction("", ["bob@opensmtpd.example"])


def opensmtpd_client():
    via_opensmtpd("carl@quiet.example", ["bob@postfix.example"], text(3000))
    via_opensmtpd("carl@quiet.example", ["bob@exim.example", "carol@exim.example", "full@exim.example"], COMMANDS)


def rset_and_ehlo_in_between():
    for server, domain in (POSTFIX, "postfix.example"), (EXIM, "exim.example"), (OPENSMTPD, "opensmtpd.example"):
        with Client(server, hello=False) as c:
            c.helo("first.client.example")
            c.mail("one@client.example")
            c.rcpt(f"bob@{domain}")
            c.rset()
            c.mail("two@client.example")
            c.rset()
            c.mail("three@client.example")
            c.rcpt(f"bob@{domain}")
            c.rcpt(f"carol@{domain}")
            c.ehlo("second.client.example")
            c.mail("four@client.example")
            c.docmd("MAIL FROM:<nested@client.example>")
            c.rcpt(f"dave@{domain}")
            c.data(text(300))


def ends_without_quit():
    def dies(server, domain, last):
        c = Client(server)
        c.mail("a@client.example")
        c.rcpt(f"bob@{domain}")
        if last == "data":
            c.docmd("DATA")
            c.send("Subject: the client dies\r\n\r\nbefore the end of d")
        if last == "rst":
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.kill(os.getpid(), signal.SIGKILL)

    for server, domain in (POSTFIX, "postfix.example"), (EXIM, "exim.example"), (OPENSMTPD, "opensmtpd.example"):
        for last in "rcpt", "rst", "data":
            pid = os.fork()
            if pid == 0:
                dies(server, domain, last)
            os.waitpid(pid, 0)


def chatter():
    for server, domain in (POSTFIX, "postfix.example"), (EXIM, "exim.example"), (OPENSMTPD, "opensmtpd.example"):
        with Client(server) as c:
            for line in "HELP", "NOOP", f"VRFY bob@{domain}", "EXPN staff", f"ETRN {domain}", "FROBNICATE now":
                c.docmd(line)
            c.transaction("a@client.example", [f"bob@{domain}"])
            c.docmd("VRFY", f"carol@{domain}")


def odd_paths():
    for server, domain in (POSTFIX, "postfix.example"), (EXIM, "exim.example"):
        with Client(server) as c:
            c.mail("a@client.example")
            c.docmd(f'rcpt to: <"john > doe"@{domain}>')
            c.docmd(f'RCPT TO:<"a, b\\"c"@{domain}>')
            c.docmd("RCPT TO:<Postmaster>")
            c.docmd(f"RcPt tO:<UPPER@{domain.upper()}>")
            c.data(text(300))


def random_dialogues():
    """Sessions of commands in no sensible order, alone or pipelined, cut into segments anywhere: what counts is what the servers made of them.

    Those in which a server hung up are left out: its log does not tell what it never read. So is OpenSMTPD, which hangs up at any pipelining.
    """
    rnd = random.Random(RANDOM_SEED)
    for server, domain in (EXIM, "exim.example"), (STRICT, "postfix.example"):
        for _ in range(RANDOM_SESSIONS):
            random_session(rnd, server, domain)


def random_session(rnd, server, domain):
    with socket.create_connection((server, 25), 20, (CLIENT, 0)) as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hung_up.add(c.getsockname()[1])
        heard(c)
        flight = b"EHLO desk.client.example\r\n" if rnd.random() < 0.9 else b""
        for _ in range(rnd.randint(3, 25)):
            flight += random_command(rnd, domain)
            if rnd.random() < 0.6:
                if not say(rnd, c, flight):
                    return
                flight = b""
        if say(rnd, c, flight):
            c.sendall(b"RSET\r\n")
            if heard(c):  # it reads commands, and has read all of them
                hung_up.discard(c.getsockname()[1])


def say(rnd, c, flight):
    """Sends a flight in segments of any size, and waits for the replies to come to an end; false where the server hung up."""
    try:
        while flight:
            n = rnd.choice([1, 7, 30, 400, 1400])
            c.sendall(flight[:n])
            flight = flight[n:]
        return heard(c)
    except ConnectionError:
        return False


def heard(c):
    c.settimeout(0.08)
    try:
        while c.recv(65536):
            pass
        return False
    except TimeoutError:
        c.settimeout(20)
        return True


def random_command(rnd, domain):
    """One command, a whole mail, or what must not be taken for one."""
    people = ["bob", "carol", "dave", "nobody", "full", "later", "\"q > x\"", "erin"]
    sender = rnd.choice(["<a@client.example>", "<b@client.example>", "<spammer@client.example>", "<newcomer@client.example>", "<>",
                         "<c@client.example> SIZE=300", "<d@client.example> BODY=8BITMIME", "<e@client.example> FOO=BAR"])
    rcpt = f"RCPT TO:<{rnd.choice(people)}@{rnd.choice([domain, domain, domain, 'elsewhere.example'])}>"
    lines = [line for line in COMMANDS.splitlines(True) if line not in ("QUIT\n", "STARTTLS\n") and ": " not in line]  # at a header field Postfix hangs up
    body = "".join(rnd.sample(lines, rnd.randint(0, len(lines))))
    stuffed = "".join("." + line if line.startswith(".") else line for line in body.splitlines(True))
    chunk = body.replace("\n", "\r\n").encode()
    text = rnd.choice([
        lambda: f"MAIL FROM:{sender}", lambda: f"MAIL FROM:{sender}", lambda: f"mail from:{sender}", lambda: rcpt, lambda: rcpt, lambda: rcpt,
        lambda: f"MAIL FROM:{sender}\n{rcpt}", lambda: f"MAIL FROM:{sender}\n{rcpt}\nDATA\n{stuffed}.",
        lambda: f"DATA\n{stuffed}.", lambda: f"DATA\n{body}.", lambda: "DATA", lambda: ".", lambda: "RSET", lambda: "NOOP",
        lambda: rnd.choice(["EHLO", "HELO"]) + rnd.choice([" again.client.example", ""]), lambda: f"VRFY bob@{domain}", lambda: "HELP",
        lambda: "FROBNICATE <bob@evil.example>", lambda: "BDAT twelve" if domain == "exim.example" else "BDAT 0", lambda: "RCPT", lambda: "MAIL", lambda: "STARTTLS now",
        lambda: rnd.choice([b"BDAT %d\r\n", b"BDAT %d LAST\r\n", b"bdat %d last\r\n"]) % len(chunk) + chunk,
        lambda: f"MAIL FROM:{sender}\r\n{rcpt}\r\n".encode() + b"BDAT %d LAST\r\n" % len(chunk) + chunk,
    ])()
    return text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode() + b"\r\n"


CASES = [postfix_postfix_pipelining, postfix_exim_mixed_answers, null_sender_bounces, exim_postfix_bdat, exim_exim_bdat_400k,
         postfix_exim_data_400k, exim_early_pipelining, smtplib_dsn_parameters, postfix_relays_dsn, smtputf8_addresses, bodies_like_commands,
         starttls, ipv6, auth_plain_and_login, go_many_mails, postfix_connection_cache, sender_refused_at_mail, refused_after_data,
         deferred_after_data, opensmtpd_server, opensmtpd_client, rset_and_ehlo_in_between, ends_without_quit, chatter, odd_paths, random_dialogues]
COMPRESSED = {exim_exim_bdat_400k: "zst", random_dialogues: "zst", postfix_exim_data_400k: "gz"}


# ---- the demonstration ----------------------------------------------------------------------------------------

PEOPLE = {  # domain: server, people
    "north.example": (POSTFIX, "alice bruno chiara dmitri"), "south.example": (POSTFIX, "emma farid grace"),
    "river.example": (POSTFIX, "hana ivan julia"), "harbor.example": (POSTFIX, "karim lena"), "orchard.example": (POSTFIX, "marta nils"),
    "bridge.example": (EXIM, "olga pedro quinn"), "meadow.example": (EXIM, "rosa stefan"), "castle.example": (EXIM, "tariq ursula"),
    "postfix.example": (POSTFIX, "info"), "exim.example": (EXIM, "sales"),
}
HOURS = [6.1, 9.4, 12.8, 16.2]  # when each day's batches of the demonstration begin, UTC
DAYS = 3


def demo_batch(rnd, number):
    """Some thirty mails between the people, from each domain's own relay; two of three stay among a few who write much."""
    domains = list(PEOPLE)
    for _ in range(30):
        from_domain = rnd.choices(domains, [9, 6, 5, 4, 3, 5, 3, 2, 1, 1])[0]
        source = f"198.51.100.{101 + domains.index(from_domain)}"
        sender = rnd.choice(PEOPLE[from_domain][1].split()) + "@" + from_domain
        server = rnd.choice([POSTFIX, POSTFIX, EXIM])
        there = [p + "@" + d for d, (s, people) in PEOPLE.items() if s == server and d != from_domain for p in people.split()]
        with Client(server, source, f"mail.{from_domain}") as c:
            for _ in range(rnd.choice([1, 1, 1, 2])):
                to = rnd.sample(there, rnd.choice([1, 1, 1, 2, 3]))
                if rnd.random() < 0.08:
                    to.append(rnd.choice(["nobody", "full"]) + "@" + to[0].split("@")[1])
                subject = "late-reject" if rnd.random() < 0.03 else f"batch {number}"
                c.transaction("" if rnd.random() < 0.03 else sender, to, text(rnd.randint(300, 3000), subject))


# ---- capturing ------------------------------------------------------------------------------------------------

def busy():
    """Whether a connection on port 25 is open, or a client's mail system has something to send now."""
    out = subprocess.run(IN_SERVER + ["ss", "-Htn", "state", "connected", "exclude", "time-wait", "sport = 25"], capture_output=True, text=True, check=True)
    queues = [WORK / "postfix-client/spool" / q for q in ("maildrop", "incoming", "active")]
    return bool(out.stdout.strip()) or any(p.is_file() for q in queues for p in q.rglob("*"))


def settle():
    """Waits until nothing has moved for a second and a half."""
    end, quiet, before = time.monotonic() + DEADLINE, 0, None
    while quiet < 15:
        if time.monotonic() > end:
            raise TimeoutError("the mail systems do not come to rest")
        now = [log.stat().st_size for log in rows.logs(WORK)]
        quiet = 0 if busy() or now != before else quiet + 1
        before = now
        time.sleep(0.1)


def capture(path, case):
    """Runs the case and returns the rows that the servers' logs tell of it."""
    sent.clear()
    settle()
    offsets = [log.stat().st_size for log in rows.logs(WORK)]
    dump = subprocess.Popen(IN_SERVER + ["tcpdump", "-Z", "root", "-i", "server0", "-n", "-s0", "-U", "-w", str(path), "tcp port 25"],
                            stderr=subprocess.PIPE, text=True)
    while "listening" not in dump.stderr.readline():
        pass
    try:
        case()
        settle()
    finally:
        dump.send_signal(signal.SIGINT)
        report = dump.communicate(timeout=10)[1]
    if "\n0 packets dropped by kernel" not in "\n" + report:
        raise RuntimeError(report)
    for queue in (["postsuper", "-c", str(WORK / "postfix-client/etc"), "-d", "ALL"],):
        subprocess.run(queue, check=True, capture_output=True)
    told = [row for row in rows.expected(WORK, offsets, sent) if row.get("client_port") not in hung_up]
    if case is random_dialogues:
        path.write_bytes(without(path.read_bytes(), hung_up))
        for row in told:  # Exim stores an empty line before a message that has no header fields
            row.pop("message_bytes", None)
    hung_up.clear()
    return told


def without(pcap, ports):
    """The frames of a capture of Ethernet and IPv4 whose TCP ports are none of these."""
    out, at = bytearray(pcap[:24]), 24
    while at < len(pcap):
        size = 16 + struct.unpack_from("<I", pcap, at + 8)[0]
        if not ports & set(struct.unpack_from(">HH", pcap, at + 16 + 14 + 20)):
            out += pcap[at : at + size]
        at += size
    return bytes(out)


def write_rows(path, expected):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in expected))


def main(folder, names):
    failed = []
    for case in CASES:
        name = case.__name__.replace("_", "-")
        if names and name not in names:
            continue
        path = folder / f"{name}.pcap"
        try:
            expected = capture(path, case)
        except Exception:  # the other cases are worth having all the same
            traceback.print_exc()
            failed.append(name)
            continue
        write_rows(folder / f"{name}.expected.jsonl", expected)
        if COMPRESSED.get(case) == "gz":
            path.with_suffix(".pcap.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
            path.unlink()
        elif COMPRESSED.get(case) == "zst":
            subprocess.run(["zstd", "-q", "-19", "-f", "--rm", str(path)], check=True)
        print(f"{name}: {len(expected)} rows", flush=True)
    if not names or "demo" in names:
        demo(folder)
    (folder / "versions.txt").write_text((WORK / "versions").read_text())
    if failed:
        sys.exit(f"failed: {failed}")


def demo(folder):
    """Captures batches and sets each one's clock to an hour of its own, so that the demonstration spans days."""
    rnd, joined, expected = random.Random(25), b"", []
    midnight = int(time.time()) // 86400 * 86400
    for number in range(DAYS * len(HOURS)):
        path = WORK / "batch.pcap"
        expected += capture(path, lambda: demo_batch(rnd, number))
        day, hour = divmod(number, len(HOURS))
        joined += shifted(path.read_bytes(), midnight - (DAYS - day) * 86400 + int(HOURS[hour] * 3600), header=not joined)
    (folder.parent / "demo.pcap.gz").write_bytes(gzip.compress(joined, 9, mtime=0))
    write_rows(folder.parent / "demo.expected.jsonl", expected)
    print(f"demo: {len(expected)} rows", flush=True)


def shifted(pcap, start, header):
    """The packets of a little-endian pcap file of microseconds, the first at the second start and the rest as far behind it as they were."""
    out, at, shift = bytearray(pcap[:24] if header else b""), 24, None
    while at < len(pcap):
        seconds, micros, length, _ = struct.unpack_from("<IIII", pcap, at)
        shift = start - seconds if shift is None else shift
        out += struct.pack("<II", seconds + shift, micros) + pcap[at + 8 : at + 16 + length]
        at += 16 + length
    return bytes(out)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
