"""Trainings as units: named by what shapes them, kept, and trained several at once."""
