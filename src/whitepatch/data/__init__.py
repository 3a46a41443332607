"""Images: where they come from, who is patched, how a batch is made."""
