"""Domains: what is asked, graded and verified."""
