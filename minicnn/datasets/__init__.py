"""Pictures to learn from and to paint with."""
