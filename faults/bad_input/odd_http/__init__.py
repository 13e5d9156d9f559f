"""HTTP beneath what a client library sends: odd framing, odd bytes, connections that are opened and left."""
