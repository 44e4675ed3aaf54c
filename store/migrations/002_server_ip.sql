-- All mail that a server received: by its address or, with <<=, its subnet.
create index on envelopes (server_ip);
