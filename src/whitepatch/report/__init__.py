"""From metrics to tables and pages. No number is typed: all come from the stages' files."""
