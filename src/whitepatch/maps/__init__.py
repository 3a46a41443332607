"""Where the networks look: maps, their scores against the planted truth, and controls."""
