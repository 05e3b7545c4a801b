"""Two ways in besides MCP: what clients' hooks report, and what their transcripts tell."""
