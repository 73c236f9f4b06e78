"""Connections: addresses, framed streams over unix and TCP sockets, and listening."""
