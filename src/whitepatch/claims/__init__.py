"""What the article claims, and what the numbers say of it."""
