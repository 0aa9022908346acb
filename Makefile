# Terrane: make demo (see it work), make test (prove it), make serve ROOT=DIR (use it), make check (inner loop).
.PHONY: setup demo serve test check
setup:
	@scripts/setup
