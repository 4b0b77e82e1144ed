"""Names and places of what operators see: log lines, request ids and timings."""
