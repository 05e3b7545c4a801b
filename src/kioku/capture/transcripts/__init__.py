"""The clients' transcripts, one module a client: bytes in, `Seen` out."""
