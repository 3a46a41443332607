"""Images: how they lie on disk, who is patched, how a batch is made."""
