"""Decisions of reviewers: marks, the rules for them, their log, and what comes of them together."""
