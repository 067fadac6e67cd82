"""Commands about what a running `modelport up` has: spelled as `az ml` spells them, said through ``modelport.client``."""
