"""The trunk and the attention layers that the variants are made of."""
