"""How fast and how big the portal is: ratios of one run, never absolute promises. ``python -m bench``."""
