"""Worker processes: laying out the runtime, starting, watching and feeding them."""
