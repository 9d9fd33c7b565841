"""Ways of selecting rows that DEFT is compared with."""
