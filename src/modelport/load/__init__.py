"""A bounded load on an endpoint: what it answered, how fast, where its time went, and what to change."""
