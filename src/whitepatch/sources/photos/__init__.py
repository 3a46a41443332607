"""Real photographs that installed packages carry, as crops of 96x96 pixels."""

__all__ = ["describe", "refuse_overlap", "subjects", "write"]

from whitepatch.sources.photos.crops import describe, refuse_overlap, subjects, write
