"""A return while it is filled in, on its way, and where it stands for whoever sends it."""
