"""The master process: sockets and journal wired to the core by the pump."""
