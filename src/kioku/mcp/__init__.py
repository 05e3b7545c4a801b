"""The Model Context Protocol over stdio: messages, wire and dispatch, and on top of them what Kioku offers by it."""
