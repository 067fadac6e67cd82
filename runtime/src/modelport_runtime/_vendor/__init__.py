"""Private copies of extension modules, laid beside the runtime in a bundle; empty in the source tree."""
