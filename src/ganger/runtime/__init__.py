"""The pump, the only loop: it joins a core to a journal and a transport, and imports no asyncio."""
