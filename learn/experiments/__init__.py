"""One file per published experiment; each is run by ``hamsym reproduce NAME``."""
