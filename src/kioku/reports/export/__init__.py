"""Sessions for other programs and other machines: read from the store, written as lines of text."""
