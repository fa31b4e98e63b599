"""What the product reaches, beside its peers, on the machine it runs on: ``python -m bench``."""
