"""Inquiries beside the reproduction: what each asks is in its first line."""
